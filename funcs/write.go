package funcs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// writeToFile has a file written: path, user, group, permissions in octal, then
// perhaps flags, and last the content, which can come from a pipe. User and group
// are names or numbers. When both are empty the owner of a file that is there stays;
// when one is empty it is that of this process. The flag append puts the content
// behind what is there, newline puts a line break behind the content. It leaves
// nothing in the rendered text.
//
// The file is written when the execution was complete and successful, together with
// the template's own: atomically, and not at all when it is equal already. In a dry
// run it is not written. (consul-template writes at once, also what came from
// answers that are still missing.) What several calls of one execution say of a
// file adds up, so a file that is written first and appended to then is written
// whole. A file that is only appended to grows with each rendering.
//
// A missing directory is made, but not for append. Where the template has a
// sandbox_path the file must lie in there, whatever symbolic links there are.
func writeToFile(x *Execution, sandbox string) func(path, user, group, permissions string, args ...string) (string, error) {
	return func(path, user, group, permissions string, args ...string) (string, error) {
		if path == "" {
			return "", errors.New("writeToFile: the path is empty")
		}
		if len(args) == 0 {
			return "", errors.New("writeToFile: want 5 or 6 arguments, got 4: the content is missing")
		}
		w := FileWrite{Path: path, Content: args[len(args)-1], UID: -1, GID: -1, Within: sandbox}
		if len(args) == 2 {
			w.Append = strings.Contains(args[0], "append")
			if strings.Contains(args[0], "newline") {
				w.Content += "\n"
			}
		}
		if err := w.allow(user, group, permissions); err != nil {
			return "", fmt.Errorf("writeToFile: %w", err)
		}
		if err := w.inside(); err != nil {
			return "", fmt.Errorf("writeToFile: %w", err)
		}
		if err := x.Write(w); err != nil {
			return "", fmt.Errorf("writeToFile: %w", err)
		}
		return "", nil
	}
}

// allow sets mode and owner.
func (w *FileWrite) allow(user, group, permissions string) error {
	mode, err := strconv.ParseUint(permissions, 8, 32)
	if err != nil {
		return errors.New("the permissions are not an octal number such as 0644")
	}
	w.Mode = fs.FileMode(mode) & fs.ModePerm
	if user == "" && group == "" {
		return nil
	}
	if w.UID, err = ownerID(user, os.Getuid(), lookupUser); err != nil {
		return errors.New("there is no such user")
	}
	if w.GID, err = ownerID(group, os.Getgid(), lookupGroup); err != nil {
		return errors.New("there is no such group")
	}
	return nil
}

// ownerID gives the number of a user or group. A name goes before a number.
func ownerID(name string, own int, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return own, nil
	}
	if id, err := lookup(name); err == nil {
		return strconv.Atoi(id)
	}
	return strconv.Atoi(name)
}

func lookupUser(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func lookupGroup(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// inside tells whether the path lies in the sandbox as it is spelled. Where it
// leads is seen to when it is opened.
func (w *FileWrite) inside() error {
	if w.Within == "" {
		return nil
	}
	if below, err := filepath.Rel(w.Within, w.Path); err != nil || below == "." || !filepath.IsLocal(below) {
		return fmt.Errorf("%q is outside of sandbox_path", w.Path)
	}
	return nil
}

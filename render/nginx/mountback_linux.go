package nginx

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// mountedBack is the size from which on a file is mounted back: a log which nginx -t
// opens would be copied to the upper layer, all of it.
const mountedBack = 1 << 20

// mountBack mounts what an overlay on dir is not to hide or to copy on itself: the
// directories, in which nginx -t may write logs and temporary files as it would
// otherwise, what is mounted in dir, which an overlay does not show, and large files.
func mountBack(lower, dir string) error {
	entries, err := os.ReadDir(lower)
	if err != nil {
		return err
	}
	points := mountPoints()
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		back := e.IsDir() || points[path]
		if e.Type().IsRegular() && !back {
			info, err := e.Info()
			back = err == nil && info.Size() >= mountedBack
		}
		if !back {
			continue
		}
		if err := mount(filepath.Join(lower, e.Name()), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return nil
}

// mountPoints are all that this thread sees, by path.
func mountPoints() map[string]bool {
	points := make(map[string]bool)
	text, _ := os.ReadFile("/proc/thread-self/mountinfo")
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > 4 { // proc_pid_mountinfo(5)
			points[unescapeMount(string(fields[4]))] = true
		}
	}
	return points
}

// unescapeMount undoes the octal escapes of blanks and backslashes.
func unescapeMount(path string) string {
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+4 <= len(path) {
			if c, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(c))
				i += 3
				continue
			}
		}
		out = append(out, path[i])
	}
	return string(out)
}

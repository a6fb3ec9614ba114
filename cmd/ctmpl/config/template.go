package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/templates"
)

// Template is one template.
type Template struct {
	Rollout
	Steps
	Pos               conf.Pos
	Source            string            `conf:"source"`
	Contents          *string           `conf:"contents"`
	Destination       string            `conf:"destination"`
	Command           Command           `conf:"command"`
	CommandTimeout    time.Duration     `conf:"command_timeout"`
	Exec              Exec              `conf:"exec"`
	Wait              *Wait             `conf:"wait"` // nil: that of all templates
	Perms             Mode              `conf:"perms"`
	Backup            bool              `conf:"backup"`
	CreateDestDirs    *bool             `conf:"create_dest_dirs"` // nil: true
	User              string            `conf:"user"`
	UID               *int              `conf:"uid"`
	Group             string            `conf:"group"` // that the file belongs to; of a block group: see RolloutGroup
	GID               *int              `conf:"gid"`
	LeftDelimiter     string            `conf:"left_delimiter"`
	RightDelimiter    string            `conf:"right_delimiter"`
	ErrorOnMissingKey bool              `conf:"error_on_missing_key"`
	ErrorFatal        *bool             `conf:"error_fatal"` // nil: that of all templates
	SandboxPath       string            `conf:"sandbox_path"`
	FunctionDenylist  Strings           `conf:"function_denylist,function_blacklist"`
	Format            Format            `conf:"format"`
	Vars              map[string]string `conf:"vars"` // see Config.VarsOf

	// RolloutGroup is the block group that the key group named. Group is empty then.
	RolloutGroup string
}

func (t *Template) check(c *Config) error {
	switch {
	case t.Source == "" && t.Contents == nil:
		return errors.New("needs a source, or contents")
	case t.Source != "" && t.Contents != nil && *t.Contents != "":
		return errors.New("has both source and contents: give one of them")
	case templates.Named(t.Source):
		if _, err := templates.Source(t.Source); err != nil {
			return err
		}
	}
	switch {
	case t.User != "" && t.UID != nil:
		return errors.New("has both user and uid: give one of them")
	case t.Group != "" && t.GID != nil:
		return errors.New("has both group and gid: give one of them")
	case t.RolloutGroup != "":
		if err := t.checkMember(); err != nil {
			return err
		}
	}
	if _, err := groupID(t.Group); err != nil {
		return c.unknownGroup(t.Group)
	}
	if _, _, err := t.Owner(); err != nil {
		return err
	}
	args, _ := t.Run()
	return checkRun(args, t.Program(), t.Nginx.On())
}

// Owner gives the IDs that the destination is to belong to, -1 where that is left
// as it is.
func (t *Template) Owner() (uid, gid int, err error) {
	uid, gid = -1, -1
	if t.UID != nil {
		uid = *t.UID
	}
	if t.GID != nil {
		gid = *t.GID
	}
	if t.User != "" {
		if uid, err = id(t.User, func() (string, error) { u, err := user.Lookup(t.User); return cmp.Or(u, &user.User{}).Uid, err }); err != nil {
			return -1, -1, fmt.Errorf("user %q: there is none of this name", t.User)
		}
	}
	if t.Group != "" {
		if gid, err = groupID(t.Group); err != nil {
			return -1, -1, fmt.Errorf("group %q: there is none of this name", t.Group)
		}
	}
	return uid, gid, nil
}

// groupID gives the number of a group of the system, -1 for no name.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	return id(name, func() (string, error) { g, err := user.LookupGroup(name); return cmp.Or(g, &user.Group{}).Gid, err })
}

// id looks a name up, or takes it for the number that it is.
func id(name string, lookup func() (string, error)) (int, error) {
	number, err := lookup()
	if err != nil {
		number = name
	}
	return strconv.Atoi(number)
}

// Run gives the command of the template and how long it may take, 0 for the default.
func (t *Template) Run() (args []string, timeout time.Duration) {
	if args = t.Command; t.Exec.On() {
		args = t.Exec.Command
	}
	return args, cmp.Or(t.Exec.Timeout, t.CommandTimeout)
}

// Mode is the permission of a file as chmod has it, 0 for none.
type Mode uint32

// FileMode gives the permission as the os package has it, with its own bits for
// set-user-ID, set-group-ID and sticky.
func (m Mode) FileMode() fs.FileMode {
	mode := fs.FileMode(m) & fs.ModePerm
	for octal, bit := range map[Mode]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&octal != 0 {
			mode |= bit
		}
	}
	return mode
}

// UnmarshalConf reads 0644 and "0644" as octal, as everyone means it.
func (m *Mode) UnmarshalConf(v conf.Value) error {
	text, err := v.String()
	if err == nil && v.IsNumber() && !strings.HasPrefix(v.Raw, "0") {
		// consul-template takes a number without a leading zero as decimal.
		// The bits beyond 0777, which come of 755 in the place of 0755, mean nothing to it.
		n, convErr := strconv.ParseUint(text, 10, 12)
		*m, err = Mode(n)&Mode(fs.ModePerm), convErr
	} else if err == nil {
		n, convErr := strconv.ParseUint(text, 8, 12)
		*m, err = Mode(n), convErr
	}
	if err != nil {
		return v.Pos.Errorf(`perms: want an octal mode such as 0644`)
	}
	return nil
}

// Command is a program with its arguments, or one string for the shell.
type Command []string

// UnmarshalConf reads a string or a list of strings.
func (c *Command) UnmarshalConf(v conf.Value) error {
	items := []conf.Value{v}
	if v.IsList() {
		items = v.List
	}
	*c = nil
	for _, item := range items {
		s, err := item.String()
		if err != nil {
			return item.Pos.Errorf("command: %w", err)
		}
		*c = append(*c, s)
	}
	return nil
}

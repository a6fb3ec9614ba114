package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

//go:embed catalog.hcl
var catalogText string

//go:embed nginx.conf.tmpl
var templateText string

//go:embed ctmpl.hcl
var configText string

// The files of the workplace.
const (
	catalogFile  = "catalog.hcl"
	templateFile = "nginx.conf.tmpl"
	configFile   = "ctmpl.hcl"
	renderedFile = "nginx.conf"
	pathsFile    = "paths.conf"
)

// workplace is the temporary directory in which ctmpl and nginx run.
type workplace struct{ dir string }

func newWorkplace() (*workplace, error) {
	dir, err := os.MkdirTemp("", "ctmpl-demo-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	return &workplace{dir}, nil
}

func (w *workplace) path(name string) string { return filepath.Join(w.dir, name) }

// remove takes the directory away. Again and again, since what was just ended may
// write a last file.
func (w *workplace) remove() error {
	return await(context.Background(), "for the directory to be empty", func() error { return os.RemoveAll(w.dir) })
}

// fill writes the files that are there from the start. The paths in the last one
// are relative to the prefix of nginx.
func (w *workplace) fill(catalog string) error {
	for name, text := range map[string]string{
		catalogFile:  catalog,
		templateFile: templateText,
		pathsFile:    servers.HTTPTemp("."),
	} {
		if err := w.save(name, text); err != nil {
			return err
		}
	}
	return nil
}

// config gives the configuration of ctmpl for this directory. Without nginx there is
// nothing to drive.
func (w *workplace) config(withNginx bool) string {
	text := configText
	if !withNginx {
		text = aboutNginx.ReplaceAllString(text, "")
	}
	return strings.ReplaceAll(text, "/srv/demo", w.dir)
}

var aboutNginx = regexp.MustCompile(`(?ms)^nginx \{$.*?^\}\n\n|^  reload .*?\n`)

// save writes a file as most editors do: beside the old one and over it.
func (w *workplace) save(name, text string) error {
	beside := w.path("." + name + ".new")
	if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, w.path(name))
}

// read gives the text of a file.
func (w *workplace) read(name string) (string, error) {
	text, err := os.ReadFile(w.path(name))
	return string(text), err
}

// program is where build puts ctmpl.
func (w *workplace) program() string { return filepath.Join(w.dir, "bin", "ctmpl") }

// build makes the program that the demo is about.
func (w *workplace) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", w.program(), "github.com/ctmpl/ctmpl/cmd/ctmpl")
	// When it is stopped, it leaves its temporary files and its compilers behind.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+w.dir)
	cmd.SysProcAttr = childAttr()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("build ctmpl: %w\n%s", err, out)
	}
	return nil
}

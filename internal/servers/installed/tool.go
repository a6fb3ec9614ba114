package installed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Tool is a Go program that is built from a module of its own, which pins its
// version.
type Tool struct {
	Name    string // of the binary
	Module  string // the module whose version counts
	Package string // the main package to build
	Home    string // directory of the tool module, relative to the repository
}

// The Go programs that tests and measurements use.
var (
	Consul = Tool{
		Name:    "consul",
		Module:  "github.com/hashicorp/consul",
		Package: "github.com/hashicorp/consul",
		Home:    "internal/tools/consul",
	}
	ConsulTemplate = Tool{
		Name:    "consul-template",
		Module:  "github.com/hashicorp/consul-template",
		Package: "github.com/hashicorp/consul-template",
		Home:    "internal/tools/consul-template",
	}
	Staticcheck = Tool{
		Name:    "staticcheck",
		Module:  "honnef.co/go/tools",
		Package: "honnef.co/go/tools/cmd/staticcheck",
		Home:    "internal/tools/lint",
	}
	Benchstat = Tool{
		Name:    "benchstat",
		Module:  "golang.org/x/perf",
		Package: "golang.org/x/perf/cmd/benchstat",
		Home:    "internal/tools/benchstat",
	}
)

// Tools gives all the Go programs.
func Tools() []Tool { return []Tool{Consul, ConsulTemplate, Staticcheck, Benchstat} }

// Dir gives the absolute path of the tool module.
func (t Tool) Dir() (string, error) {
	if root == "" {
		return "", errors.New("not inside the ctmpl repository: run this from one of its directories")
	}
	return filepath.Join(root, filepath.FromSlash(t.Home)), nil
}

// Version gives the pinned version without the leading v, as in "1.20.1".
func (t Tool) Version() (string, error) {
	dir, err := t.Dir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the version of %s: %w", t.Name, err)
	}
	version, ok := pinned(string(text), t.Module)
	if !ok {
		return "", fmt.Errorf("read the version of %s: %s does not require %s", t.Name, file, t.Module)
	}
	return version, nil
}

// Path gives where the binary is once it is built, in the user's cache
// directory. The version is part of the name.
func (t Tool) Path() (string, error) {
	version, err := t.Version()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory for %s: %w", t.Name, err)
	}
	return filepath.Join(cache, "ctmpl", "bin", t.Name+"-"+version), nil
}

// Find gives the path of the binary, or an error that says how to build it.
func (t Tool) Find() (string, error) {
	path, err := t.Path()
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	version, err := t.Version()
	if err != nil {
		return "", err
	}
	return "", fmt.Errorf(`%s %s is not built: run "make test" (or go run ./internal/tools/install %s)`, t.Name, version, t.Name)
}

// pinned finds the version that a go.mod requires of module.
func pinned(gomod, module string) (string, bool) {
	line := regexp.MustCompile(`(?m)^(?:require)?[ \t]+` + regexp.QuoteMeta(module) + `[ \t]+v(\S+)`)
	m := line.FindStringSubmatch(gomod)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// root is the directory of the repository, "" outside of it. It is found when
// the program starts, since a test may change its working directory later.
var root = findRoot()

func findRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(Consul.Home), "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

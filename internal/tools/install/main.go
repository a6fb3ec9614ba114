// Command install makes the programs available that the tests need, and prints
// one line about each:
//
//	go run ./internal/tools/install [-optional] [consul] [consul-template] [staticcheck] [benchstat] [nginx] [nginx-lua]
//	go run ./internal/tools/install -path staticcheck
//
// Without a name it does all of them. What it guarantees:
//
//   - consul, consul-template, staticcheck and benchstat are built from the versions that
//     the modules in internal/tools pin, into ctmpl/bin in the user's cache
//     directory. What is already there is not built again.
//   - An interrupted build leaves no binary behind, and two runs at a time build
//     a thing once.
//   - nginx comes from the system's packages, when run as root where there is
//     apt-get; the nginx service is not left running. So does its module for Lua, which
//     is not needed: where it cannot be had, one line says so.
//   - A failure shows the output of the command that failed, and the exit code
//     is 1. With -optional a missing nginx is a warning.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	names    []string
	optional bool
	path     bool
}

// run does the work and returns at the first failure.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if opts.path {
		return printPaths(ctx, opts.names, stdout)
	}
	for _, name := range opts.names {
		line, err := provide(ctx, name, stderr)
		if err != nil && name == "nginx" && opts.optional && ctx.Err() == nil {
			line, err = "nginx: not available, going on without it: "+err.Error(), nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, line)
	}
	return nil
}

// parse reads the command line; flags may come before and behind the names.
func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	set := flag.NewFlagSet("install", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.BoolVar(&opts.optional, "optional", false, "a missing nginx is a warning, not an error")
	set.BoolVar(&opts.path, "path", false, "only print where the programs are")
	for {
		if err := set.Parse(args); err != nil {
			return opts, flag.ErrHelp // the flag set has said what is wrong
		}
		if set.NArg() == 0 {
			break
		}
		opts.names, args = append(opts.names, set.Arg(0)), set.Args()[1:]
	}
	if len(opts.names) == 0 {
		opts.names = allNames()
	}
	return opts, checkNames(opts.names)
}

// allNames has nginx first: its failure is the quick one.
func allNames() []string {
	names := []string{"nginx", "nginx-lua"}
	for _, tool := range installed.Tools() {
		names = append(names, tool.Name)
	}
	return names
}

func checkNames(names []string) error {
	for _, name := range names {
		if _, ok := toolNamed(name); !ok && name != "nginx" && name != "nginx-lua" {
			return fmt.Errorf("%q is not known: give some of %q", name, allNames())
		}
	}
	return nil
}

func toolNamed(name string) (installed.Tool, bool) {
	for _, tool := range installed.Tools() {
		if tool.Name == name {
			return tool, true
		}
	}
	return installed.Tool{}, false
}

// provide makes one program available and says in a line how.
func provide(ctx context.Context, name string, stderr io.Writer) (string, error) {
	if tool, ok := toolNamed(name); ok {
		return buildTool(ctx, tool, stderr)
	}
	if name == "nginx-lua" {
		return provideLua(ctx, stderr), nil
	}
	return provideNginx(ctx, stderr)
}

func printPaths(ctx context.Context, names []string, stdout io.Writer) error {
	for _, name := range names {
		path, err := pathOf(ctx, name)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

func pathOf(ctx context.Context, name string) (string, error) {
	if tool, ok := toolNamed(name); ok {
		return tool.Find()
	}
	nginx, err := findNginx(ctx)
	return nginx.Path, err
}

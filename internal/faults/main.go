// Command faults does to ctmpl what goes wrong in operation, with a real nginx and,
// where it matters, a real Consul, and prints what became of it as a table in Markdown.
//
//	go run ./internal/faults [-quick] [-race] [-v] [-run REGEXP]
//
// What holds of each fault:
//
//   - Requests are sent to nginx all the while, each on a connection of its own. None
//     may fail, but for those while nginx itself is down, which are counted by themselves.
//   - When the fault is over, what is live is what the catalog says: the files, byte for
//     byte, and what nginx answers. What the files are to be is computed here, not by ctmpl.
//   - nginx -t passes then, and nothing is left behind: no file beside the destinations,
//     no mount, nothing noted as under way.
//   - ctmpl has not ended where it was not killed, and its log shows no panic and no race.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	quick := flag.Bool("quick", false, "only what make test does")
	race := flag.Bool("race", false, "build ctmpl with the race detector")
	verbose := flag.Bool("v", false, "show the logs of ctmpl and nginx of each fault")
	only := flag.String("run", "", "only the faults whose name this regular expression matches")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err == nil {
		err = table(ctx, pattern, *quick, *race, *verbose)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// table runs the faults, one after the other, and prints a line for each.
func table(ctx context.Context, pattern *regexp.Regexp, quick, race, verbose bool) error {
	dir, err := os.MkdirTemp("", "ctmpl-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built, err := build(ctx, dir, race)
	if err != nil {
		return err
	}
	fmt.Printf("%d cores, %s. A test that is not below TestFaults is in the full run alone.\n\n| fault | what users see | what is promised | test | figures |\n|---|---|---|---|---|\n",
		runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	failed := 0
	for _, f := range faults {
		if !pattern.MatchString(f.name) || quick && !f.quick {
			continue
		}
		figures, err := f.do(ctx, &trial{built: built, full: !quick, verbose: verbose})
		if err != nil {
			failed++
			figures = "**FAILED**"
			fmt.Fprintf(os.Stderr, "%s: %v\n", f.name, err)
		}
		fmt.Printf("| %s | %s | %s | %s | %s |\n", f.what, f.sees, f.promise, f.test(), figures)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d faults broke a promise", failed)
	}
	return nil
}

// fault is one thing that goes wrong.
type fault struct {
	name          string // of its test, below TestFaults
	what          string // goes wrong
	sees, promise string // of users; by ctmpl
	quick         bool   // it is done by make test, too, maybe with less of it
	root          bool   // it takes the rights to mount
	run           func(*trial) error
}

// test names the test, which for what make test does is one of TestFaults.
func (f fault) test() string {
	if f.quick {
		return "`TestFaults/" + f.name + "`"
	}
	return "`" + f.name + "`"
}

// faultTime bounds one fault.
const faultTime = 6 * time.Minute

// do does the fault and gives the figures.
func (f fault) do(ctx context.Context, t *trial) (figures string, err error) {
	if f.root && os.Geteuid() != 0 {
		return "not done: it takes root", nil
	}
	ctx, cancel := context.WithTimeout(ctx, faultTime)
	defer cancel()
	t.ctx = ctx
	err = f.run(t)
	if err = t.close(err); err != nil {
		return "", err
	}
	return strings.Join(append([]string{t.requests()}, t.notes...), "; "), nil
}

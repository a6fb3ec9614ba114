package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// question is the command line of a command that asks a ctmpl that runs for something,
// or looks at its state.
type question struct {
	state   *rollout.State
	targets []rollout.Seen
	number  int // of a good output
}

// ask reads the command line of such a command. Without a question all is done, and the
// exit code says how.
func (m *Main) ask(name string, args []string) (*question, int) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var settings []string
	set.Func("config", "", func(s string) error { settings = append(settings, "-config", s); return nil })
	set.Func("state-dir", "", func(s string) error { settings = append(settings, "-state-dir", s); return nil })
	number := 0
	if name == render.AskRollback {
		set.IntVar(&number, "to", 0, "")
	}
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(m.Stdout, askHelp[name])
		return nil, exitOK
	}
	if err == nil && set.NArg() > 1 {
		err = errors.New("one target at the most can be given, behind the flags")
	}
	if err != nil {
		return nil, m.fail(exitFlags, fmt.Errorf("%s: %w", name, err))
	}
	_, cfg, code := m.configure(settings)
	if cfg == nil {
		return nil, code
	}
	dir := cfg.StatePath()
	if dir == "" {
		return nil, m.fail(exitConfig, errors.New("no state is kept (state_dir is none), so there is nothing to see or to ask for"))
	}
	q := &question{state: &rollout.State{Dir: dir}, number: number} // how many outputs are kept is for ctmpl to say
	if q.targets, err = q.state.Look(); err != nil {
		return nil, m.fail(exitRuntime, fmt.Errorf("cannot read the state: %w", err))
	}
	if target := set.Arg(0); target != "" {
		q.targets = slices.DeleteFunc(q.targets, func(s rollout.Seen) bool { return s.Name != target })
		if len(q.targets) == 0 {
			return nil, m.fail(exitRuntime, fmt.Errorf("there is no target %q in %s: ctmpl status lists them", target, dir))
		}
	}
	return q, exitOK
}

var askHelp = map[string]string{
	"status":           "Usage: ctmpl status [-config PATH] [-state-dir DIR] [TARGET]\n\nTells how each target is, why, and which good outputs are kept of it.\n",
	render.AskApprove:  "Usage: ctmpl approve [-config PATH] [-state-dir DIR] [TARGET]\n\nLets what guards hold go live.\n",
	render.AskRelease:  "Usage: ctmpl release [-config PATH] [-state-dir DIR] [TARGET]\n\nHas a target rendered again that was rolled back, or kept as somebody else had changed it.\n",
	render.AskRollback: "Usage: ctmpl rollback [-config PATH] [-state-dir DIR] [-to NUMBER] TARGET\n\nPuts an earlier good output in place, the one before the last without a number, and keeps it until it is released.\n",
}

// status prints how the targets are.
func (m *Main) status(args []string) int {
	q, code := m.ask("status", args)
	if q == nil {
		return code
	}
	if len(q.targets) == 0 {
		fmt.Fprintf(m.Stdout, "nothing has been rolled out yet with its state in %s\n", q.state.Dir)
		return exitOK
	}
	for _, t := range q.targets {
		state := t.Status.String()
		if !t.Open {
			state = "no ctmpl that runs has it; it was: " + state
		}
		fmt.Fprintf(m.Stdout, "%s\n  %s\n", t.Name, state)
		if !t.Status.Since.IsZero() {
			fmt.Fprintf(m.Stdout, "  since %s\n", t.Status.Since.Format(time.DateTime))
		}
		for _, text := range t.Status.Notes {
			fmt.Fprintf(m.Stdout, "  note: %s\n", text)
		}
		m.printGood(t)
	}
	return exitOK
}

func (m *Main) printGood(t rollout.Seen) {
	all, err := t.Generations()
	if err != nil || len(all) == 0 {
		return
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 0, 2, ' ', 0)
	for i, g := range slices.Backward(all) {
		live := ""
		if i == len(all)-1 && t.Status.State != rollout.StateWaiting {
			live = "live"
		}
		size := 0
		for _, f := range g.Files {
			size += f.Size
		}
		fmt.Fprintf(w, "  good output %d\t%s\t%s, %d bytes\t%s\n", g.Number, g.Time.Format(time.DateTime), count(len(g.Files), "file"), size, live)
	}
	_ = w.Flush()
}

func (m *Main) approve(args []string) int { return m.demand(render.AskApprove, args) }
func (m *Main) release(args []string) int { return m.demand(render.AskRelease, args) }

// rollback puts an earlier good output in place.
func (m *Main) rollback(args []string) int { return m.demand(render.AskRollback, args) }

// demand asks the ctmpl that runs for something, target by target.
func (m *Main) demand(what string, args []string) int {
	q, code := m.ask(what, args)
	if q == nil {
		return code
	}
	if what == render.AskRollback && len(q.addressed()) > 1 {
		return m.fail(exitFlags, fmt.Errorf("which target is to be rolled back? There are: %s", strings.Join(q.names(), ", ")))
	}
	if len(q.targets) == 0 {
		return m.fail(exitRuntime, fmt.Errorf("nothing has been rolled out yet with its state in %s (give -config or -state-dir as ctmpl has it)", q.state.Dir))
	}
	for _, t := range q.addressed() {
		text, err := q.demand(what, t)
		if err != nil {
			code = m.fail(exitRuntime, fmt.Errorf("%s: %w", t.Name, err))
			continue
		}
		fmt.Fprintf(m.Stdout, "%s: %s\n", t.Name, text)
	}
	return code
}

// addressed are the targets that are meant: those that a ctmpl has which runs, if there
// are any. The others may be of a configuration long gone.
func (q *question) addressed() []rollout.Seen {
	open := slices.DeleteFunc(slices.Clone(q.targets), func(s rollout.Seen) bool { return !s.Open })
	if len(open) > 0 {
		return open
	}
	return q.targets
}

func (q *question) names() []string {
	var names []string
	for _, t := range q.addressed() {
		names = append(names, t.Name)
	}
	return names
}

// demand asks for something for one target and waits for what becomes of it.
func (q *question) demand(what string, t rollout.Seen) (string, error) {
	if !t.Open {
		return q.alone(what, t)
	}
	request := rollout.Request{ID: rand.Text(), Target: t.Name, What: what, Number: q.number}
	// From before it is asked until it is withdrawn nothing ends this process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := q.state.Ask(request); err != nil {
		return "", err
	}
	defer q.state.Withdraw(request)
	ctx, cancel := context.WithTimeout(ctx, rollout.AnswerTime)
	defer cancel()
	for {
		if reply, ok := q.state.Answered(request); ok {
			if reply.Error != "" {
				return "", errors.New(reply.Error)
			}
			return reply.Text, nil
		}
		select {
		case <-ctx.Done():
			return "", errors.New("the ctmpl that runs has not answered: look at its log")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// alone does what can be done while no ctmpl runs.
func (q *question) alone(what string, t rollout.Seen) (string, error) {
	record, err := q.state.Open(t.Name)
	if err != nil {
		return "", err
	}
	defer record.Close()
	switch what {
	case render.AskRelease:
		record.Unpin()
		return "released: it is rendered again when ctmpl starts", nil
	case render.AskRollback:
		number, err := record.PutBack(q.number)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("good output %d is in place, and stays until it is released. No ctmpl that runs has it, so nothing was checked or reloaded: reload it yourself", number), nil
	}
	return "", errors.New("no ctmpl that runs has it, so nothing is held")
}

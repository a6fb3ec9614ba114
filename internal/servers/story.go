package servers

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Play plays a story on standard output and gives the exit code of its program, whose
// name errors bear. Its context ends with the first signal that asks a program to end,
// when the terminal is closed, and when nobody reads the output any more (… | head): in
// all of these play has the time to end what it has started. A second signal ends the
// program at once.
func Play(name string, play func(context.Context, io.Writer) error) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // which would end the program; to write is an error then
	if err := play(ctx, &page{os.Stdout, cancel}); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// page is where a story is printed.
type page struct {
	io.Writer
	unread func() // is called when nobody reads it
}

func (p *page) Write(text []byte) (int, error) {
	n, err := p.Writer.Write(text)
	if err != nil {
		p.unread()
	}
	return n, err
}

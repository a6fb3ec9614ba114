package main

import (
	"bytes"
	"errors"
	"log/slog"
	"syscall"
	"testing"

	"github.com/ctmpl/ctmpl/render/child"
)

// writerFunc is an io.Writer.
type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A signal that comes while the program is being started is the program's.
func TestASignalAtTheStartIsTheProgramsOwn(t *testing.T) {
	t.Parallel()
	passed := false
	var s *supervisor
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("started the child")) { // it may have done a lot by now
			passed = s.pass(syscall.SIGUSR2)
		}
		return len(b), nil
	}), nil))
	s = &supervisor{
		spec:  child.Spec{Args: []string{"sh", "-c", "while :; do sleep 0.05; done"}},
		log:   log,
		begin: make(chan struct{}, 1), changed: make(chan struct{}, 1), signals: make(chan syscall.Signal, 16),
	}
	if s.pass(syscall.SIGUSR2) {
		t.Error("there is no program yet, and it is to get a signal")
	}
	s.start()
	err := s.run(t.Context(), nil)
	var exit *childExit
	if !errors.As(err, &exit) || !passed {
		t.Errorf("passed on: %v; the end is %v", passed, err)
	}
	if s.pass(syscall.SIGUSR2) {
		t.Error("the program has ended, and is to get a signal")
	}
}

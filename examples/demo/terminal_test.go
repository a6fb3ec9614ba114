package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// terminal collects what a demo prints to its terminal.
type terminal struct {
	file *os.File
	out  journal
}

// onTerminal starts the demo on a terminal of its own.
func onTerminal(t *testing.T, s *show) *terminal {
	t.Helper()
	file, err := pty.Start(s.Cmd)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{file: file}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = file.WriteTo(&term.out) // ends with an error when the terminal is closed
	}()
	t.Cleanup(func() {
		_ = s.Process.Kill() // a test that failed left it running
		<-done
		file.Close()
		if t.Failed() {
			t.Log(term.text())
		}
	})
	return term
}

func (term *terminal) text() string {
	var b strings.Builder
	for _, e := range term.out.since(0) {
		fmt.Fprintln(&b, strings.TrimRight(e.text, "\r"))
	}
	return b.String()
}

// await waits until a line holds text.
func (term *terminal) await(t *testing.T, text string) {
	t.Helper()
	servers.Eventually(t, 2*time.Minute, func() error {
		if _, ok := term.out.find(0, text); !ok {
			return fmt.Errorf("it has not printed %q", text)
		}
		return nil
	})
}

// press sends a key to the program on the terminal.
func (term *terminal) press(t *testing.T, key byte) {
	t.Helper()
	if _, err := term.file.Write([]byte{key}); err != nil {
		t.Fatal(err)
	}
}

const ctrlC = 3

func TestStaysOnATerminal(t *testing.T) {
	t.Parallel()
	s := newShow(t)
	term := onTerminal(t, s)
	term.await(t, "from now on")
	out := term.text()
	wantLines(t, out, `\x1b\[32m     \+   id   = "web-4"`, `[\d,]+ requests were sent all the while: 0 failed\.`)

	// What it says to try.
	addr := regexp.MustCompile(`curl http://(127\.0\.0\.1:\d+)/`).FindStringSubmatch(out)
	if addr == nil {
		t.Fatal("it says no address to try")
	}
	setPassing(t, s.file(t, catalogFile))
	servers.Eventually(t, time.Minute, func() error {
		id, err := servers.Get(t.Context(), servers.LoadOptions{Addr: addr[1]})
		if err == nil && id != "web-2" {
			err = errors.New(id + " answers")
		}
		return err
	})
	term.await(t, "INF catalog changed")

	term.press(t, ctrlC)
	if err := s.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// setPassing edits the catalog in place, as some editors do.
func setPassing(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(setStatus(string(text), "web-2", "passing")), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCtrlCInTheStory(t *testing.T) {
	t.Parallel()
	s := newShow(t, "NO_COLOR=1")
	term := onTerminal(t, s)
	term.await(t, "── 2  An instance is added")
	term.press(t, ctrlC)
	term.press(t, ctrlC)
	err := s.Wait()
	if s.ProcessState.ExitCode() != 128+int(syscall.SIGINT) {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if strings.Contains(term.text(), "\x1b") {
		t.Error("coloured in spite of NO_COLOR")
	}
}

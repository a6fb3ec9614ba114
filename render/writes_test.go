package render

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// What a template writes by writeToFile goes with its output: when that is complete,
// before the command, and only where it differs.
func TestWritesGoWithTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", fmt.Sprintf(`static{{ key "cert" | writeToFile %q "" "" "0600" }}{{ if keyExists "x" }}{{ end }}`, b.path("certs/a.pem")))
		spec.Command.Args = []string{fmt.Sprintf("cat %s >> %s", b.path("certs/a.pem"), b.path("ran"))}
		b.start(Options{}, spec)
		b.put(keyQuery("cert"), "one")
		b.settle()
		b.expect("certs/a.pem", "none")
		b.expect("out", "none")

		b.put(watch.Query{Kind: watch.KindLookup, Name: "x"}, watch.Lookup{})
		b.settle()
		b.expect("certs/a.pem", "one")
		b.expect("out", "static")
		b.expect("ran", "one")

		// The output is the same, but nginx has to read the new certificate.
		b.put(keyQuery("cert"), "two")
		b.settle()
		b.expect("certs/a.pem", "two")
		b.expect("ran", "onetwo")

		b.put(watch.Query{Kind: watch.KindLookup, Name: "x"}, watch.Lookup{Found: true})
		b.settle()
		b.expect("ran", "onetwo")
		b.stop()
	})
}

func TestShowWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var shown bytes.Buffer
		b.start(Options{Show: &shown}, b.spec("out", fmt.Sprintf(`x{{ "c" | writeToFile %q "" "" "0600" }}`, b.path("written"))))
		b.settle()
		b.expect("written", "none")
		if shown.String() != "> "+b.path("out")+"\nx" {
			t.Errorf("got %q", shown.String())
		}
		b.stop()
	})
}

// A template without end does not keep ctmpl from stopping, and is no failure then.
func TestAStopEndsATemplateWithoutEnd(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	spec := Spec{Contents: `{{ range loop 0 9223372036854775807 }}{{ end }}`, Fatal: true}
	spec.File.Path = t.TempDir() + "/out"
	engine, err := New([]Spec{spec}, Options{Store: watch.NewStore(), Want: func(watch.Set) {}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil || log.String() != "" {
			t.Errorf("got %v, log: %s", err, log.String())
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not stop")
	}
	if _, err := os.Stat(spec.File.Path); err == nil {
		t.Error("there is output")
	}
}

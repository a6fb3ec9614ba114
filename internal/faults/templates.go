package main

import (
	"fmt"
	"os"
)

// badTemplates are templates that come to no good, each with what is logged of it.
var badTemplates = []struct{ what, text, said string }{
	{"panics", `{{ repeat -1 "x" }}`, "error calling repeat"},
	{"loops", `{{ range loop 1000000000 }}{{ range loop 1000000000 }}{{ end }}{{ end }}`, "has not ended within"},
	{"calls itself", `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, "deep within templates"},
	{"prints without end", `{{ range loop 1000000000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}`, "more than"},
	{"does not parse", `{{ if }}`, "missing value"},
	{"fails", `{{ fail "no" }}`, "no"},
}

// badTemplate has the template be a bad one, one after the other, and good again.
func badTemplate(t *trial) error {
	w, err := t.follow(options{top: `limits { output_bytes = 10000 execution_time = "3s" }`})
	if err != nil {
		return err
	}
	var took times
	for _, bad := range badTemplates {
		mark := w.daemon.log.mark()
		if err := os.WriteFile(w.path("upstreams.conf.tmpl"), []byte(template+bad.text), 0o644); err != nil {
			return err
		}
		if err := w.logged(mark, bad.said); err != nil {
			return fmt.Errorf("a template that %s: %w", bad.what, err)
		}
		if err := w.shows(w.now); err != nil {
			return fmt.Errorf("a template that %s: %w", bad.what, err)
		}
		if err := w.next(""); err != nil { // the bad one is not to go live with other data either
			return err
		}
		if err := os.WriteFile(w.path("upstreams.conf.tmpl"), []byte(template), 0o644); err != nil {
			return err
		}
		d, err := w.settled()
		if err != nil {
			return fmt.Errorf("after a template that %s: %w", bad.what, err)
		}
		took = append(took, d)
	}
	t.note("%d kinds; corrected to all well %s; ctmpl's memory at most %d MB", len(took), took, w.daemon.peak()>>20)
	return nil
}

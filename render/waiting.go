package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// What a template waits for is told when it has waited for reportAfter, and again
// when that has changed, reportEvery apart at the most.
const (
	reportAfter = 2 * time.Second
	reportEvery = 10 * time.Second
	// reportMost is how many queries a report names.
	reportMost = 10
)

// wait is what is known of the waiting of a template.
type wait struct {
	reportAt time.Time     // zero while it does not wait
	reported []watch.Query // what was told last
}

// begin notes whether the template waits after an execution.
func (w *wait) begin(waits bool, now time.Time) {
	switch {
	case !waits:
		*w = wait{}
	case w.reportAt.IsZero():
		w.reportAt = now.Add(reportAfter)
	}
}

// report tells what templates wait for that have waited for long.
func (e *Engine) report(now time.Time) {
	for _, u := range e.units {
		if u.wait.reportAt.IsZero() || u.wait.reportAt.After(now) {
			continue
		}
		u.wait.reportAt = now.Add(reportEvery)
		if u.waiting() == 0 {
			continue // it runs as soon as its last output is rolled out
		}
		if list := u.lacks(); !slices.Equal(list, u.wait.reported) {
			u.wait.reported = list
			kept := "it has no output yet"
			if u.done {
				kept = "its last output stays"
			}
			e.opt.Log.Warn("template waits for answers: "+kept, "template", u.spec.Name(), "missing", len(list), "waits_for", e.missing(u, list))
		}
	}
}

// lacks gives the queries that a template waits for, sorted.
func (u *unit) lacks() []watch.Query {
	set := watch.Set{}
	for q := range u.missing {
		if _, ok := u.arrived[q]; !ok {
			set.Add(q)
		}
	}
	return set.Sorted()
}

// missing lists what a template waits for, each with its place in the template. To
// find that it executes the template, so it is for what is told and not more often.
func (e *Engine) missing(u *unit, queries []watch.Query) string {
	rest := len(queries) - reportMost
	queries = queries[:min(len(queries), reportMost)]
	places := u.tmpl.Locate(e.opt.Store, queries)
	var b strings.Builder
	for i, q := range queries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(q.String())
		if at, ok := places[q]; ok {
			fmt.Fprintf(&b, " (%s)", at)
		}
	}
	if rest > 0 {
		fmt.Fprintf(&b, " and %d more", rest)
	}
	return b.String()
}

// giveUp says what is missing when the time for Once is over.
func (e *Engine) giveUp() {
	for _, u := range e.units {
		switch {
		case u.done || u.err != nil || u.tmpl == nil:
			continue
		case u.waiting() > 0:
			e.opt.Log.Error("template not rendered in time: answers are missing", "template", u.spec.Name(),
				"timeout", e.opt.Timeout, "missing", u.waiting(), "waits_for", e.missing(u, u.lacks()))
		default:
			e.opt.Log.Error("template not rolled out in time", "template", u.spec.Name(), "timeout", e.opt.Timeout)
		}
		e.failed = true
	}
}

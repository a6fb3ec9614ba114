package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEditCatalog(t *testing.T) {
	t.Parallel()
	before := catalogText
	added := addInstance(before, "web-3", "web-4", 9)
	failed := setStatus(added, "web-2", "critical")
	removed := removeInstance(failed, "web-1")
	for name, tt := range map[string]struct{ before, after, want string }{
		"added":   {before, added, "+\n+ service {\n+   name = \"web\"\n+   tags = [\"http\"]\n+   id   = \"web-4\"\n+   port = 9\n+   check { status = \"passing\" }\n+ }\n"},
		"failed":  {added, failed, "-   check { status = \"passing\" }\n+   check { status = \"critical\" }\n"},
		"key":     {before, setKey(before, bufferKey, "1m"), "-   \"nginx/buffer\" = \"4k\" # for the head of an answer\n+   \"nginx/buffer\" = \"1m\" # for the head of an answer\n"},
		"service": {before, addService(before, "echo-1", "mail-9001", "mail-1"), "+\n+ service {\n+   name = \"mail-9001\"\n+   tags = [\"tcp\"]\n+   id   = \"mail-1\"\n+   port = 7001\n+   check { status = \"passing\" }\n+ }\n"},
		"removed": {failed, removed, "-\n- service {\n-   name = \"web\"\n-   tags = [\"http\"]\n-   id   = \"web-1\"\n-   port = 8001\n-   check { status = \"passing\" }\n- }\n"},
	} {
		var b strings.Builder
		if err := (&page{w: &b}).diff(tt.before, tt.after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, changedLines(b.String())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	last := removeInstance(removed, "web-4")
	if !strings.HasSuffix(last, "}\n") || removeInstance(last, "web-9") != last || addInstance(last, "web-9", "web-1", 9) != last ||
		addService(last, "web-9", "mail-9001", "mail-1") != last {
		t.Errorf("the catalog is %q", last)
	}
}

// changedLines gives the lines of a diff that differ.
func changedLines(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if text, ok := strings.CutPrefix(line, "     "); ok && strings.ContainsRune("+-", rune(text[0])) {
			b.WriteString(text)
		}
	}
	return b.String()
}

func TestDiffHasNoEmptyLinesAround(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := (&page{w: &b}).diff("\n\na\n\n\n", "\n\nb\nc\n\n\n"); err != nil {
		t.Fatal(err)
	}
	want := "     @@ -3,1 +3,2 @@\n     - a\n     + b\n     + c\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestColour(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := &page{w: &b, colour: true}
	p.code(colourOf("+ a"), "+ a")
	p.chart([]string{"web-1", "web-10"}, map[string]int{"web-1": 2})
	want := "\x1b[32m     + a\x1b[0m\n" +
		"     web-1   \x1b[32m" + strings.Repeat("█", barLength) + "\x1b[0m \x1b[1m2\x1b[0m\n" +
		"     web-10  \x1b[32m\x1b[0m\x1b[1m0\x1b[0m\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestMisrouted(t *testing.T) {
	t.Parallel()
	in := []string{"a", "b"}
	if err := misrouted(in, map[string]int{"a": 1, "b": 2}); err != nil {
		t.Error(err)
	}
	for _, counts := range []map[string]int{{"a": 3}, {"a": 1, "b": 1, "c": 1}} {
		if err := misrouted(in, counts); err == nil {
			t.Errorf("%v is taken for good", counts)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1042: "1,042", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s", n, got)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	got := strings.Join(wrap("é is one  of\nthe letters", 7), "|")
	if want := "é is|one of|the|letters"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestValueOf(t *testing.T) {
	t.Parallel()
	line := `2026-11-21T08:35:08Z ERR not used why="3 → 0" error="t:3:11: \"x\" not defined" retry_in=1s`
	for name, want := range map[string]string{"error": `t:3:11: "x" not defined`, "why": "3 → 0", "retry_in": line} {
		if got := valueOf(line, name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := &workplace{"/tmp/x"}
	if with := w.config(true); !strings.Contains(with, `"/tmp/x/nginx.conf"`) || !strings.Contains(with, `reload      = "nginx"`) {
		t.Errorf("with nginx it is\n%s", with)
	}
	without := w.config(false)
	if _, used, _ := strings.Cut(without, "\n\n"); strings.Contains(used, "/tmp/x") || strings.Contains(used, "reload") || !strings.Contains(used, "guard {}") {
		t.Errorf("without nginx it is\n%s", without)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	var j journal
	for _, part := range []string{"one\ntw", "o\nthr", "ee"} {
		if _, err := j.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := j.find(1, "one"); ok || j.len() != 2 {
		t.Errorf("the journal has %v", j.since(0))
	}
	if e, ok := j.find(0, "t", "wo"); !ok || e.text != "two" || e.at.After(time.Now()) {
		t.Errorf("found %v, %v", e, ok)
	}
}

func TestResultTellsOfFailures(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	d := &demo{page: &page{w: &b}, nginx: &proxy{}, ctmpl: &ctmpl{log: &journal{}}, traffic: &traffic{}}
	d.traffic.total.Requests, d.traffic.total.Failures = 1000, 1
	d.traffic.total.Errors = []error{errors.New("no route")}
	if err := d.result(); err == nil || !strings.Contains(err.Error(), "1 of 1000 requests failed, the first with: no route") {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(b.String(), "1,000 requests were sent all the while: 1 failed.") {
		t.Errorf("it says %s", b.String())
	}
}

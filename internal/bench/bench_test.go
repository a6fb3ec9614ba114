package main

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChangedPorts(t *testing.T) {
	text := "upstream a {\n  server 10.0.0.1:9999 x;\n  server 10.0.0.2:10001 x;\n  server [::1]:20002 x;\n  server :65535"
	if got, want := slices.Sorted(maps.Keys(changedPorts([]byte(text)))), []int{10001, 20002, 65535}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestArrivals has an instance that changes twice before the file is written: both
// have arrived with the second.
func TestArrivals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file, err := watchFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	file.expect("a", 10001)
	file.expect("b", 10002)
	file.expect("a", 10003)
	for _, text := range []string{"  server 1:10003 x\n", "  server 1:10003 x\n  server 2:10002 x\n"} {
		if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if err := file.complete(t.Context(), strings.Count(text, "\n")); err != nil {
			t.Fatal(err)
		}
	}
	delays, err := file.take(t.Context())
	if err != nil || len(delays) != 3 || slices.Min(delays) <= 0 {
		t.Errorf("got %v, %v; want three times", delays, err)
	}
}

func TestQuantile(t *testing.T) {
	list := []time.Duration{4, 1, 3, 2}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 4, 1: 4} {
		if got := quantile(list, q); got != want {
			t.Errorf("quantile %g is %d, want %d", q, got, want)
		}
	}
}

func TestSameTextTellsTheFirstLine(t *testing.T) {
	for have, want := range map[string]string{
		"a\nb\n":    "",
		"a\nx\n":    `line 2 of 3 is "x", and has to be "b"`,
		"a":         `line 2 of 3 is "", and has to be "b"`,
		"a\nb\n\nc": "it has 4 lines, and has to have 3",
	} {
		got := ""
		if err := sameText([]byte("a\nb\n"), []byte(have)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", have, got, want)
		}
	}
}

// TestDrawing leaves out what has no place on a logarithmic axis.
func TestDrawing(t *testing.T) {
	text := drawing([]measure{
		{name: "some", peer: []point{{150, 5}, {1000, 50}}, own: []point{{150, 0}, {1000, 0.5}}},
		{name: "none", peer: []point{{150, 7}}, own: []point{{150, 7}}},
	})
	if n := strings.Count(string(text), "<circle"); n != 2+3+2 {
		t.Errorf("%d dots, want 2 in the legend and 5 in the plots:\n%s", n, text)
	}
	if strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
		t.Errorf("a place that is no number:\n%s", text)
	}
	for decoder := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

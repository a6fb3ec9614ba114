package main

import (
	"testing"
)

// TestFaults does the quick part of the faults; make faults does all of it.
func TestFaults(t *testing.T) {
	t.Parallel()
	built, err := build(t.Context(), t.TempDir(), race)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		if !f.quick {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			figures, err := f.do(t.Context(), &trial{built: built})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(figures)
		})
	}
}

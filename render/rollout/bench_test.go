package rollout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkApply is one change of one line in files of the size that 150 and 5,000
// services have, kept in a state directory.
func BenchmarkApply(b *testing.B) {
	for _, services := range []int{150, 5000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			dir := b.TempDir()
			state := &State{Dir: filepath.Join(dir, "state"), Keep: 5}
			record, err := state.Open("edge")
			if err != nil {
				b.Fatal(err)
			}
			defer record.Close()
			target, path := &Target{Log: quiet, Record: record}, filepath.Join(dir, "f")
			output, note := sample(services)
			b.ReportAllocs()
			before := cpu()
			for i := 0; b.Loop(); i++ {
				content := fmt.Appendf(bytes.Clone(output), "# %d\n", i)
				c := Change{Target: target, Templates: []string{path}, Note: note, Files: []File{{Path: path, Content: content, UID: -1, GID: -1, Template: path}}}
				if out := apply(b.Context(), c)[target]; len(out.Errs) > 0 || !out.Changed {
					b.Fatalf("got %+v", out)
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") // the rest is the disk's
		})
	}
}

// cpu is the time that the process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// sample is an output for so many services of five instances, with the note for it.
func sample(services int) ([]byte, json.RawMessage) {
	var output bytes.Buffer
	counts := map[string]int{}
	for s := range services {
		fmt.Fprintf(&output, "upstream svc-%d {\n", s)
		for i := range 5 {
			fmt.Fprintf(&output, "  server 10.%d.%d.%d:%d max_fails=3 fail_timeout=60;\n", i, s/250, s%250+1, 10000+s)
		}
		output.WriteString("}\n")
		counts[fmt.Sprintf(`service "svc-%d"`, s)] = 5
	}
	note, _ := json.Marshal(map[string]any{"Services": counts})
	return output.Bytes(), note
}

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/status"
)

// outcome is what has become of one call.
type outcome struct {
	server  string
	err     error
	took    time.Duration
	repeats repeats
}

// tally counts calls.
type tally struct {
	calls    int
	failures int
	first    error          // of these
	by       map[string]int // answers by server
	slowest  time.Duration
	repeats  repeats // of all calls
}

func (y *tally) add(o outcome) {
	y.calls++
	y.slowest = max(y.slowest, o.took)
	y.repeats.policy += o.repeats.policy
	y.repeats.transparent += o.repeats.transparent
	if o.err != nil {
		if y.failures++; y.first == nil {
			y.first = o.err
		}
		return
	}
	if y.by == nil {
		y.by = map[string]int{}
	}
	y.by[o.server]++
}

// err is nil when no call has failed.
func (y tally) err() error {
	if y.failures == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d calls failed, the first with: %w", y.failures, y.calls, y.first)
}

// even wants each of some servers to have about its share.
func (y tally) even(names []string) error {
	for _, name := range names {
		if share := y.calls / len(names); y.by[name] < share/2 || y.by[name] > share*2 {
			return fmt.Errorf("%s has %d of %d calls", name, y.by[name], y.calls)
		}
	}
	return y.err()
}

// spread prints who has answered, as "hello-1 100, hello-2 99".
func (y tally) spread() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(y.by)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, y.by[name]))
	}
	return strings.Join(parts, ", ")
}

// String gives what has become of the calls.
func (y tally) String() string {
	text := fmt.Sprintf("%d calls, %d failed", y.calls, y.failures)
	if y.first != nil {
		reason, _, _ := strings.Cut(status.Convert(y.first).Message(), ";") // of nginx's page nothing
		text += fmt.Sprintf(" (%s: %s)", status.Code(y.first), reason)
	}
	if r := y.repeats; r.policy+r.transparent > 0 {
		text += fmt.Sprintf(", %d repeated by the policy, %d by gRPC itself", r.policy, r.transparent)
	}
	return text
}

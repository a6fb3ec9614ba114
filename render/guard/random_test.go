package guard_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/watch"
)

// TestMoreInstancesGiveNoReasonMore lets random services shrink and grow, and at each
// rollout compares what is said of it with what is said of one with more instances.
func TestMoreInstancesGiveNoReasonMore(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		s := &story{rand: rand.New(rand.NewPCG(seed, 1)), now: noon}
		s.limits = guard.Limits{
			MinInstances: s.rand.IntN(12), MaxShrink: s.rand.Float64(), Window: time.Duration(s.rand.IntN(100)) * time.Second,
			Services: []guard.ServiceLimits{{Name: "s1", MinInstances: s.rand.IntN(4), MaxShrink: s.rand.Float64()}, {Name: "*", MaxShrink: s.rand.Float64()}},
		}
		for step := range 40 {
			if err := s.step(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

type story struct {
	rand    *rand.Rand
	limits  guard.Limits
	history guard.History
	now     time.Time
	live    counts
}

func (s *story) services() counts {
	c := counts{}
	for i := range 6 {
		if s.rand.IntN(4) > 0 {
			c[fmt.Sprint("s", i)] = s.rand.IntN(8)
		}
	}
	return c
}

func (s *story) step() error {
	s.now = s.now.Add(time.Duration(s.rand.IntN(30)) * time.Second)
	fewer := s.services()
	more := maps.Clone(fewer)
	for i := range 6 {
		if n := s.rand.IntN(8) - 3; n > 0 {
			more[fmt.Sprint("s", i)] += n
		}
	}
	doubts := map[string]string{}
	for i := range 6 {
		if s.rand.IntN(3) == 0 {
			doubts[fmt.Sprintf("service %q", fmt.Sprint("s", i))] = []string{"x", watch.DoubtACL}[s.rand.IntN(2)]
		}
	}
	check := func(c counts) []string {
		return s.limits.Check(s.history.Before(s.now, s.limits.Window), facts(c), doubts, output, output)
	}
	if few, many := check(fewer), check(more); len(many) > len(few) {
		return fmt.Errorf("%v instead of %v, with %v live: %q instead of %q", more, fewer, s.live, many, few)
	}
	grown := maps.Clone(s.live)
	for name := range grown {
		grown[name] += s.rand.IntN(3)
	}
	if reasons := check(grown); s.history.Known() && len(reasons) > 0 {
		return fmt.Errorf("growing from %v to %v is held: %q", s.live, grown, reasons)
	}
	if len(check(fewer)) == 0 || s.rand.IntN(4) == 0 {
		s.live = fewer
		s.history.Add(s.now, facts(fewer).With(doubts))
	}
	return nil
}

package guard_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/watch"
)

var half = guard.Limits{MaxShrink: 0.5, Window: time.Minute}

// drain takes one instance after the other away, and gives what is left when that is held.
func drain(h *guard.History, from int, every time.Duration) (left int) {
	now := noon
	h.Add(now, facts(counts{"web": from}))
	for left = from - 1; left >= 0; left-- {
		now = now.Add(every)
		after := facts(counts{"web": left})
		if len(half.Check(h.Before(now, half.Window), after, nil, output, output)) > 0 {
			return left + 1
		}
		h.Add(now, after)
	}
	return 0
}

func TestSlowDrain(t *testing.T) {
	t.Parallel()
	for every, want := range map[time.Duration]int{
		time.Second: 5, 5 * time.Second: 5, 12 * time.Second: 5, 30 * time.Second: 3, 2 * time.Minute: 1, // 1 → 0 is all
	} {
		if got := drain(&guard.History{}, 10, every); got != want {
			t.Errorf("one in %s: %d of 10 are left when it is held, want %d", every, got, want)
		}
	}
}

// What was live for an hour was live a second ago.
func TestWhatWasReplacedCountsFromItsEnd(t *testing.T) {
	t.Parallel()
	var h guard.History
	h.Add(noon, facts(counts{"web": 10}))
	now := noon.Add(time.Hour)
	h.Add(now, facts(counts{"web": 6}))
	check := func(at time.Time, left int) []string {
		return half.Check(h.Before(at, half.Window), facts(counts{"web": left}), nil, output, output)
	}
	want := []string{"6 of 10 instances would vanish (60%, max_shrink 50%): web 10 → 4"}
	if diff := cmp.Diff(want, check(now.Add(time.Second), 4)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := check(now.Add(time.Second), 7); len(got) > 0 {
		t.Errorf("growing is held: %q", got)
	}
	if got := check(now.Add(61*time.Second), 4); len(got) > 0 {
		t.Errorf("held after the window: %q", got)
	}
}

// What is live already holds nothing, however much there was before.
func TestNothingVanishesNow(t *testing.T) {
	t.Parallel()
	var h guard.History
	h.Add(noon, facts(counts{"web": 10}))
	h.Add(noon, facts(counts{"web": 1, "api": 1}))
	for _, after := range []counts{{"web": 1, "api": 1}, {"web": 2, "api": 1}} {
		if got := half.Check(h.Before(noon, time.Minute), facts(after), nil, output, output); len(got) > 0 {
			t.Errorf("%v: %q", after, got)
		}
	}
}

// After an approval the rollouts that follow are judged by what was approved.
func TestRestart(t *testing.T) {
	t.Parallel()
	var h guard.History
	if h.Known() {
		t.Error("a new history knows something")
	}
	h.Add(noon, facts(counts{"web": 20}))
	h.Add(noon.Add(time.Second), facts(counts{"web": 19}))
	h.Restart(facts(counts{"web": 4}))
	now := noon.Add(2 * time.Second)
	if got := half.Check(h.Before(now, time.Minute), facts(counts{"web": 2}), nil, output, output); len(got) > 0 || !h.Known() {
		t.Errorf("%q", got)
	}
	if got := half.Check(h.Before(now, time.Minute), facts(counts{"web": 1}), nil, output, output); len(got) == 0 {
		t.Error("not held, though 3 of 4 would vanish")
	}
}

func TestFactsSurviveTheDisk(t *testing.T) {
	t.Parallel()
	f := guard.Facts{}.Update(map[watch.Query]any{
		{Kind: watch.KindService, Name: "web", Params: "filter=passing"}: []*watch.ServiceInstance{{}, {}},
		{Kind: watch.KindService, Name: "web", Params: "filter=any"}:     []*watch.ServiceInstance{{}, {}, {}},
		{Kind: watch.KindConnect, Name: "web", Params: "filter=passing"}: []*watch.ServiceInstance{},
		{Kind: watch.KindServices}:                                       []*watch.ServiceSummary{{}},
		{Kind: watch.KindPrefix, Name: "a"}:                              []*watch.KeyPair{{}, {}},
		{Kind: watch.KindNode, Name: "n"}:                                &watch.NodeDetail{Services: []*watch.NodeService{{}}},
		{Kind: watch.KindLookup, Name: "k"}:                              watch.Lookup{Found: true},
		{Kind: watch.KindLookup, Name: "none"}:                           watch.Lookup{},
		{Kind: watch.KindKey, Name: "k"}:                                 "value",
		{Kind: watch.KindFile, Name: "f"}:                                "text",
	}, nil).With(map[string]string{"services": watch.DoubtACL})
	want := guard.Facts{
		Services: map[string]int{`service "web"`: 2, `service "web|any"`: 3, `connect "web"`: 0},
		Lists:    map[string]int{"services": 1, `ls "a"`: 2, `node "n"`: 1, `keyExists "k"`: 1, `keyExists "none"`: 0},
		Doubts:   map[string]string{"services": watch.DoubtACL},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back guard.Facts
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("(-kept +read)\n%s", diff)
	}
}

package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// lapOf makes a scope with ten nodes whose indexes are known, at a time.
func lapOf(t *testing.T, now time.Time) *scope {
	t.Helper()
	sc := newScope(&Source{}, scopeKey{})
	for i := range 10 {
		sc.node(fmt.Sprint("n", i))
	}
	set := watch.Set{}
	for i := range 20 {
		set.Add(watch.Query{Kind: watch.KindService, Name: fmt.Sprint("s", i)})
	}
	sc.cover(set, false)
	if err := sc.move(100, now); err != nil {
		t.Fatal(err)
	}
	l := next(t, sc, now)
	asked(sc, l)
	sc.ended(l, false)
	if _, open := sc.unexplained(); open || !sc.baseline {
		t.Fatal("the first lap is no measure")
	}
	return sc
}

func next(t *testing.T, sc *scope, now time.Time) *lap {
	t.Helper()
	l, _, err := sc.nextLap(now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// asked has all asked that are to be, and gives them.
func asked(sc *scope, l *lap) (names []string) {
	for {
		some := sc.take(l, 1)
		if len(some) == 0 {
			return names
		}
		names = append(names, some...)
	}
}

func TestALapEndsWithWhatItSeeks(t *testing.T) {
	now := time.Now()
	sc := lapOf(t, now)
	if l := next(t, sc, now); l != nil {
		t.Fatalf("a lap of %v when nothing has changed", l.turns)
	}
	_ = sc.move(101, time.Now())
	l := next(t, sc, time.Now())
	first := sc.take(l, 4)
	sc.find(101)
	if more := sc.take(l, 4); more != nil {
		t.Errorf("%q are asked for a change that was found", more)
	}
	sc.ended(l, false)

	_ = sc.move(102, time.Now())
	l = next(t, sc, time.Now())
	if second := sc.take(l, 6); slices.ContainsFunc(second, func(name string) bool { return slices.Contains(first, name) }) {
		t.Errorf("%q were asked, and %q before; want those that were not", second, first)
	}
	_ = sc.move(103, time.Now()) // for the next lap
	sc.find(102)
	if more := sc.take(l, 4); more != nil {
		t.Errorf("%q are asked for a change that came later", more)
	}
	sc.ended(l, false)
	if l = next(t, sc, time.Now()); l == nil || len(asked(sc, l)) != 10 {
		t.Error("the change that came later is not sought everywhere")
	}
	if sc.ended(l, false); next(t, sc, time.Now()) != nil {
		t.Error("it is sought where it is not")
	}
}

// Changes that come right after a lap are sought together, some time after its beginning.
func TestLapsAreApart(t *testing.T) {
	sc := lapOf(t, time.Now())
	now := time.Now().Add(time.Minute) // of all that follows, so that everybody was asked before
	_ = sc.move(101, now)
	l := next(t, sc, now)
	sc.rest(l)
	asked(sc, l)
	sc.ended(l, false)
	if wait := sc.untilPoll(now); wait != shortestLap {
		t.Errorf("the next look for changes is %s after its beginning", wait)
	}
	if l, wait, err := sc.nextLap(now); l != nil || wait < closing/2 || err != nil {
		t.Errorf("%v, %s, %v: there is nothing to be found", l, wait, err)
	}
	_ = sc.move(102, now.Add(time.Millisecond))
	if l, wait, err := sc.nextLap(now.Add(shortestLap / 4)); l != nil || wait != shortestLap*3/4 || err != nil {
		t.Errorf("%v, %s, %v", l, wait, err)
	}
	if l := next(t, sc, now.Add(shortestLap)); l == nil || len(asked(sc, l)) == 0 {
		t.Error("a change is not sought")
	}
}

// A lap with nobody to ask has nothing to rest from.
func TestALapThatAsksNobodyIsNoReasonToRest(t *testing.T) {
	sc := lapOf(t, time.Now())
	now := time.Now().Add(2 * closing)
	for name := range sc.nodes {
		sc.at[name] = now // each was asked while something else was sought
	}
	l := next(t, sc, now)
	if l == nil || !l.closes || len(l.turns) > 0 {
		t.Fatalf("%+v", l)
	}
	if sc.rest(l); sc.untilPoll(now) > 0 {
		t.Errorf("it rests for %s", sc.untilPoll(now))
	}
}

func TestAllIsLookedAtOnceMore(t *testing.T) {
	now := time.Now()
	sc := lapOf(t, now)
	_, wait, err := sc.nextLap(now)
	if wait != closing || err != nil {
		t.Fatalf("%v, %v; want %v", wait, err, closing)
	}
	// The time of the test is that of the real looks, which are all before this.
	l := next(t, sc, now.Add(2*closing))
	if names := asked(sc, l); len(names) != 10 {
		t.Errorf("asked %q", names)
	}
	sc.ended(l, false)
	if l, wait, err := sc.nextLap(now.Add(4 * closing)); l != nil || wait != untilMoved || err != nil {
		t.Errorf("then %v, %v, %v", l, wait, err)
	}
}

func TestAfterAFailureAllAreAsked(t *testing.T) {
	sc := lapOf(t, time.Now())
	_ = sc.move(101, time.Now())
	l := next(t, sc, time.Now())
	sc.take(l, 3)
	sc.ended(l, true)
	if l = next(t, sc, time.Now()); len(asked(sc, l)) != 10 {
		t.Errorf("%d are asked", l.asked)
	}
}

func TestNodesThatMoveTogether(t *testing.T) {
	sc := lapOf(t, time.Now())
	_ = sc.move(110, time.Now())
	l := next(t, sc, time.Now())
	for _, name := range asked(sc, l) {
		sc.elsewhere(l, name, 110)
	}
	sc.ended(l, false)
	_ = sc.move(111, time.Now())
	if l = next(t, sc, time.Now()); l.byNode || !strings.HasPrefix(l.turns[0].name, "s") || len(l.turns) != 20 {
		t.Errorf("asks %v", l.turns)
	}
}

func TestMoves(t *testing.T) {
	m := moves{found: map[uint64]bool{}}
	now := time.Now()
	for i := range uint64(200) {
		if err := m.move(1000+10*i, now); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.open) > mostMoves || m.open[0].after != 0 {
		t.Errorf("%d moves from %d on", len(m.open), m.open[0].after)
	}
	if m.lookedAtAll(now); len(m.open) > 0 || m.explainedTo() != 2990 {
		t.Errorf("%v, %d", m.open, m.explainedTo())
	}
	_ = m.move(2993, now)
	for index := uint64(2991); index < 2993; index++ {
		m.find(index)
	}
	if _, open := m.unexplained(); !open {
		t.Error("two of three changes are taken for all")
	}
	m.find(2993)
	if _, open := m.unexplained(); open {
		t.Error("a move that was found is sought")
	}
	_ = m.move(2994+mostGap, now)
	for index := uint64(2994); index <= 2994+mostGap; index++ {
		m.find(index)
	}
	if _, open := m.unexplained(); !open {
		t.Error("so many indexes are looked through")
	}
	if err := m.move(5, now); !errors.Is(err, errAnew) {
		t.Errorf("%v", err)
	}
}

// grouped makes a scope of ten nodes in five racks.
func grouped(t *testing.T) *scope {
	t.Helper()
	sc := lapOf(t, time.Now())
	set := watch.Set{}
	for i := range 200 {
		set.Add(watch.Query{Kind: watch.KindService, Name: fmt.Sprint("s", i)})
	}
	sc.cover(set, true)
	for i := range 10 {
		sc.node(fmt.Sprint("n", i)).meta = map[string]string{"rack": fmt.Sprint(i % 5), "zone": fmt.Sprint(i % 2), "id": fmt.Sprint(i), "all": "same"}
	}
	return sc
}

func TestGroupsOfNodes(t *testing.T) {
	sc := grouped(t)
	if values := sc.form(); sc.groups.key != "id" || len(values) != 10 {
		t.Errorf("by %s: %q", sc.groups.key, values)
	}
	for i := range 100 {
		sc.node(fmt.Sprint("m", i)).meta = map[string]string{"rack": fmt.Sprint(i % 5), "id": fmt.Sprint(100 + i)}
	}
	if values := sc.form(); sc.groups.key != "rack" || len(values) != 5 {
		t.Errorf("by %s: %q, want no more than %d groups", sc.groups.key, values, mostGroups)
	}
	for i := range 100 {
		sc.node(fmt.Sprint("more", i))
	}
	if values := sc.form(); values != nil {
		t.Errorf("by %s: %q, and there are more nodes than services", sc.groups.key, values)
	}
	sc = grouped(t)
	sc.mayGroup = false
	if values := sc.form(); values != nil || sc.groups.key != "" || !sc.groups.formed {
		t.Errorf("by %s: %q, and there are no connections for them", sc.groups.key, values)
	}
}

// Nodes that can be watched in groups are asked though there are more of them than services, and
// all along: groups that are given up are no reason to begin anew.
func TestNodesInGroupsInPlaceOfFewerServices(t *testing.T) {
	for _, c := range []struct {
		racks    int
		mayGroup bool
		byNode   bool
	}{{5, true, true}, {5, false, false}, {0, true, false}} {
		sc := newScope(&Source{}, scopeKey{})
		set := watch.Set{}
		for i := range 30 {
			set.Add(watch.Query{Kind: watch.KindService, Name: fmt.Sprint("s", i)})
		}
		sc.cover(set, c.mayGroup)
		var nodes []*api.Node
		for i := range 40 {
			node := &api.Node{Node: fmt.Sprint("n", i), ModifyIndex: 7, Meta: map[string]string{}}
			if c.racks > 0 {
				node.Meta["rack"] = fmt.Sprint(i % c.racks)
			}
			nodes = append(nodes, node)
		}
		sc.haveNodes(nodes, 10)
		if values := sc.form(); (len(values) > 0) != c.byNode {
			t.Errorf("%+v: groups %q", c, values)
		}
		l := next(t, sc, time.Now())
		if l.byNode != c.byNode || len(asked(sc, l)) != len(l.turns) {
			t.Errorf("%+v: nodes are asked: %v", c, l.byNode)
		}
		sc.ended(l, false)
		sc.ungroup()
		_ = sc.move(101, time.Now())
		if l := next(t, sc, time.Now()); l.byNode != c.byNode {
			t.Errorf("%+v: without groups others are asked than with them", c)
		}
		for i := range 20 {
			sc.node(fmt.Sprint("m", i))
		}
		if l := next(t, sc, time.Now()); l.byNode {
			t.Errorf("%+v: %d nodes are asked in place of 30 services", c, len(l.turns))
		}
	}
}

func TestAGroupThatShowsAChangeIsAskedFirst(t *testing.T) {
	sc := grouped(t)
	sc.form()
	_ = sc.move(101, time.Now())
	if l, wait, err := sc.nextLap(time.Now()); l != nil || wait <= 0 || wait > groupTime || err != nil {
		t.Errorf("%v, %v, %v: it is sought everywhere before a group shows it", l, wait, err)
	}
	sc.groups.woken["3"] = true
	l := next(t, sc, time.Now())
	if names := asked(sc, l); !slices.Equal(names, []string{"n3"}) {
		t.Errorf("asked %q", names)
	}
	sc.elsewhere(l, "n3", 101)
	sc.probed("n3", 101)
	sc.ended(l, false)
	if _, open := sc.unexplained(); open || sc.groups.vain != 0 {
		t.Errorf("it was found: %v, %d", open, sc.groups.vain)
	}
	_ = sc.move(102, time.Now())
	if l := next(t, sc, time.Now().Add(groupTime)); l == nil || len(asked(sc, l)) != 10 {
		t.Error("a change that no group shows is not sought everywhere")
	}
}

// What a group has shown is sought again after a lap that has failed.
func TestALapForAGroupFails(t *testing.T) {
	sc := grouped(t)
	sc.form()
	sc.groups.woken["3"] = true
	l := next(t, sc, time.Now())
	sc.ended(l, true)
	if names := asked(sc, next(t, sc, time.Now())); !slices.Equal(names, []string{"n3"}) {
		t.Errorf("asked %q", names)
	}
	sc.groups.woken["3"] = true
	l = next(t, sc, time.Now())
	sc.ungroup()
	sc.ended(l, true) // there are none any more
}

func TestGroupsThatShowNothing(t *testing.T) {
	sc := grouped(t)
	sc.form()
	disbanded := false
	sc.groups.disband = func() { disbanded = true }
	for i := range mostVain {
		if disbanded {
			t.Fatalf("after %d", i)
		}
		sc.groups.woken["1"] = true
		l := next(t, sc, time.Now())
		asked(sc, l)
		sc.ended(l, false)
	}
	if !disbanded {
		t.Error("groups that show changes which are none go on")
	}
}

func TestNothingToSeek(t *testing.T) {
	sc := lapOf(t, time.Now())
	l := next(t, sc, time.Now().Add(2*closing))
	asked(sc, l)
	sc.ended(l, false)
	if l, wait, err := sc.nextLap(time.Now().Add(2 * closing)); l != nil || wait != untilMoved || err != nil {
		t.Errorf("%v, %v, %v", l, wait, err)
	}
}

// A wait for checks that ends is no reason to look at thousands of services; a check that changes is.
func TestNothingIsLookedForWhenNothingHappens(t *testing.T) {
	sc := lapOf(t, time.Now())
	for _, step := range []struct {
		index uint64
		looks bool
	}{{7, true}, {7, false}, {8, true}, {8, false}} {
		sc.restless, sc.beat = false, nil
		sc.checked(0, nil, step.index)
		if names, _ := sc.nextPatrol(); (len(names) > 0) != step.looks {
			t.Errorf("at %d: looks at %d services", step.index, len(names))
		}
	}
}

// A group of nodes shows a move before the table does, or after; neither takes the other for a
// state that began anew.
func TestAMoveThatAGroupShows(t *testing.T) {
	now := time.Now()
	sc := lapOf(t, now)
	sc.groups = groups{formed: true, key: "rack", woken: map[string]bool{}}
	sc.polled = true
	sc.wake("a", 102)
	sc.wake("b", 101) // overtaken
	for _, poll := range []struct{ index, before uint64 }{{101, 100}, {102, 100}, {102, 102}, {103, 102}} {
		if err := sc.movedTo(poll.index, poll.before); err != nil {
			t.Errorf("at %d, after %d: %v", poll.index, poll.before, err)
		}
	}
	if len(sc.groups.woken) != 2 || sc.table != 103 || len(sc.open) != 2 || sc.open[0].after != 100 || sc.open[0].to != 102 || sc.open[1].to != 103 {
		t.Errorf("%d groups, at %d, %+v", len(sc.groups.woken), sc.table, sc.open)
	}
	if err := sc.movedTo(90, 103); !errors.Is(err, errAnew) {
		t.Errorf("an index that falls: %v", err)
	}
}

// What a group shows takes the place of a look whether something has changed, as often as it does.
func TestAMoveThatAGroupShowsIsALook(t *testing.T) {
	sc := newScope(&Source{}, scopeKey{})
	sc.polled = true
	now := time.Now()
	if wait := sc.untilPoll(now); wait > 0 {
		t.Errorf("without groups it waits for %s", wait)
	}
	sc.groups = groups{formed: true, key: "rack", woken: map[string]bool{}}
	sc.wake("1", 100)
	if wait := sc.untilPoll(sc.movedAt); wait != groupPollGap {
		t.Errorf("it waits for %s", wait)
	}
	if wait := sc.untilPoll(sc.movedAt.Add(groupPollGap)); wait > 0 {
		t.Errorf("it waits for %s more", wait)
	}
	before := sc.movedAt
	sc.wake("2", 99)
	if sc.movedAt != before {
		t.Error("an answer that was overtaken is a look")
	}
}

// What a sentinel asks at the start is not held for long: when an agent refuses connections it gives up, and what it
// has asked keeps its place there. Later it is, as it costs least.
func TestWhatASentinelAsksIsHeldForLongerAndLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &Source{transport: &counted{budget: newBudget(160, false, "Consul", slog.New(slog.DiscardHandler))}}
		sc := newScope(src, scopeKey{})
		for _, step := range []struct{ pass, want time.Duration }{{0, leastHold}, {30 * time.Second, 30 * time.Second}, {time.Hour, sentinelHold}} {
			time.Sleep(step.pass)
			if hold, _ := sc.wait(7); hold != step.want {
				t.Errorf("after %s it is held for %s, want %s", step.pass, hold, step.want)
			}
		}
		src.transport.budget.refused(src.transport.budget.mark(), src.transport.budget.mark())
		time.Sleep(time.Hour)
		if hold, _ := sc.wait(7); hold != tightHold {
			t.Errorf("with fewer connections it is held for %s, want %s", hold, tightHold)
		}
	})
}

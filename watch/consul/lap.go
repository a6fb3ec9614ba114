package consul

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"
)

// several is a number of nodes that have indexes of their own: not all the same, or nearly so.
const several = 8

// partedFor is how many nodes take the place of a service where nodes are watched in groups.
const partedFor = 2

// looks is when each node, or each service, was last asked for its index.
type looks struct {
	byNode    bool // services otherwise
	looked    bool // all were asked once
	at        map[string]time.Time
	baseline  bool      // the index of each node has been seen
	coarse    bool      // which tells nothing: they are all the same
	restUntil time.Time // no lap begins before
	listedAt  time.Time // when lists of services were asked for without knowing that they changed
}

// lap is whom to ask next: those first that were asked longest ago.
type lap struct {
	byNode  bool
	turns   []turn // oldest first
	begun   time.Time
	due     time.Time // whoever was asked before may have a change that has not been found
	must    time.Time // whoever was asked before is asked even when there is none
	closes  bool
	seeks   bool // a change that is known to be there
	overdue bool
	woken   map[string]bool // the groups that showed a change, of whose nodes some are asked; none when it is not for groups

	asked int
	moved map[string]uint64 // the indexes of nodes that were other ones
}

// turn is that of a node, or of a service.
type turn struct {
	name   string
	before time.Time // when it was asked last
}

// untilMoved is the time to the next lap when there is nothing to be found.
const untilMoved = time.Hour

// nextLap gives the next lap, nil when there is nothing to be found yet. Then wait is the time to the
// next one.
func (sc *scope) nextLap(now time.Time) (l *lap, wait time.Duration, err error) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if err := sc.chooseWho(); err != nil {
		return nil, 0, err
	}
	l = &lap{byNode: sc.byNode, begun: now, moved: map[string]uint64{}}
	step, open := sc.unexplained()
	rest := sc.closing()
	closesAt, owed := sc.closes(rest)
	l.closes, l.seeks = owed && !now.Before(closesAt), open
	l.overdue = owed && now.After(closesAt.Add(rest))
	switch {
	case !sc.looked:
		l.due, l.must = now, now
	case sc.byNode && len(sc.groups.woken) > 0 && !l.overdue && !sc.unexplainedAt(now.Add(-closing)): // changes without end must not keep the rest from its turn
		l.woken, l.due, l.closes = maps.Clone(sc.groups.woken), now, false
	case l.closes:
		l.must = now.Add(-rest / 2)
		l.due = later(l.must, step.at)
	case open && sc.groups.key != "" && !sc.unexplainedAt(now.Add(-groupTime)):
		return nil, sc.open[0].at.Add(groupTime).Sub(now), nil
	case open:
		l.due = step.at
	case owed:
		return nil, closesAt.Sub(now), nil
	default:
		return nil, untilMoved, nil
	}
	if rest := sc.restUntil.Sub(now); rest > 0 {
		return nil, rest, nil
	}
	sc.fill(l)
	return l, 0, nil
}

// calm tells whether nobody waits for what a lap may find.
func (l *lap) calm() bool { return l.closes && !l.seeks }

// closing is how long after a move all is looked at once more.
func (sc *scope) closing() time.Duration {
	if sc.groups.key != "" {
		return groupClosing
	}
	return closing
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// chooseWho decides whether nodes are asked or services: whichever are fewer.
func (sc *scope) chooseWho() error {
	byNode := sc.nodesAreFewer()
	if byNode && !sc.byNode && sc.looked {
		return errAnew // there is no measure for the nodes yet
	}
	if byNode != sc.byNode {
		clear(sc.at)
	}
	sc.byNode = byNode
	return nil
}

// nodesAreFewer tells whether nodes are to be asked: what is wanted of a node itself shows there alone,
// and in groups few of them are asked at a time.
func (sc *scope) nodesAreFewer() bool {
	services := len(sc.services)
	if sc.parted {
		services *= partedFor
	}
	return len(sc.details) > 0 || !sc.coarse && len(sc.nodes) < services
}

// fill chooses whom to ask.
func (sc *scope) fill(l *lap) {
	switch {
	case len(l.woken) > 0:
		sc.order(l, sc.wakened())
		clear(sc.groups.woken)
	case l.byNode:
		sc.order(l, maps.Keys(sc.nodes))
	default:
		sc.order(l, maps.Keys(sc.services))
	}
}

// order gives turns to those that were not asked lately.
func (sc *scope) order(l *lap, names iter.Seq[string]) {
	l.turns = make([]turn, 0, len(sc.at)+1)
	for name := range names {
		if at := sc.at[name]; !at.After(l.due) {
			l.turns = append(l.turns, turn{name, at})
		}
	}
	slices.SortFunc(l.turns, func(a, b turn) int {
		if order := a.before.Compare(b.before); order != 0 {
			return order
		}
		return cmp.Compare(a.name, b.name)
	})
}

// rest has the lap after this one begin some time later, by how many this one may ask.
func (sc *scope) rest(l *lap) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if n := len(l.turns); n > 0 {
		sc.restUntil = l.begun.Add(max(shortestLap, time.Second*time.Duration(n)/mostPerSecond))
	}
}

// take gives the next to ask, none when the lap is over.
func (sc *scope) take(l *lap, most int) []string {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	rest := l.turns[l.asked:]
	if len(rest) == 0 {
		return nil
	}
	if sc.over(l) {
		return nil
	}
	names, now := make([]string, min(most, len(rest))), time.Now()
	for i := range names {
		names[i] = rest[i].name
		sc.at[names[i]] = now
	}
	l.asked += len(names)
	return names
}

// over tells whether what the lap seeks has been found.
func (sc *scope) over(l *lap) bool {
	switch {
	case len(l.woken) > 0 || sc.unexplainedAt(l.due): // the move may not have been noticed yet
		return false
	case l.closes && !l.overdue && len(sc.groups.woken) > 0:
		return true // the rest can wait
	}
	return l.turns[l.asked].before.After(l.must)
}

// ended notes what became of a lap. After one that has failed all are asked again.
func (sc *scope) ended(l *lap, failed bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if failed {
		clear(sc.at)
		if sc.groups.woken != nil {
			maps.Copy(sc.groups.woken, l.woken)
		}
		return
	}
	if len(l.woken) > 0 {
		sc.sought(l)
		return
	}
	all := l.asked == len(l.turns)
	if all {
		sc.looked = true
		sc.lookedAtAll(l.due)
		maps.DeleteFunc(sc.at, func(_ string, at time.Time) bool { return !at.After(l.due) }) // gone, or it would have been asked
	}
	if all && l.byNode {
		sc.coarse = sc.coarse || sc.baseline && l.asked >= max(several, len(sc.nodes)/2) && len(l.moved) == l.asked && oneIndex(l.moved)
		sc.baseline = true
	}
	if l.closes && (all || l.turns[l.asked].before.After(l.must)) {
		sc.closed(l.begun, sc.closing())
	}
}

// oneIndex tells whether nodes seem to have one index together. That each has its own is not
// documented.
func oneIndex(moved map[string]uint64) bool {
	distinct := map[uint64]bool{}
	for _, index := range moved {
		distinct[index] = true
	}
	return len(distinct) <= 2 // it may have moved meanwhile
}

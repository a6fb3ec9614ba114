package consul

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// fewest is what the budget does not shrink below.
	fewest = 4
	// firstPause and longestPause bound the time after which some more connections are
	// tried. It doubles each time that these were too many, and halves when they were not, so
	// that an agent whose limit stays as it is refuses less and less often.
	firstPause, longestPause = 30 * time.Second, 6 * time.Hour
	// leastHold and tightHold bound how long a query is held at the start, and while the
	// budget is below what is configured: the agent (v1.20) goes on with most queries whose
	// connection is closed, and has no place for others until their wait is over.
	leastHold, tightHold = time.Second, 10 * time.Second
)

// budget is how many connections the agent takes from here, as far as that is known. An
// agent allows a number from one address (limits.http_max_conns_per_client), which others
// there use as well.
type budget struct {
	most  int  // as configured
	https bool // HTTP/2 may be spoken
	log   *slog.Logger
	name  string // of the agent, in messages

	mu      sync.Mutex
	allowed int           // at most most
	open    int           // places at the agent: connections, and what keep counts
	conns   map[*conn]int // the connections, by when they were made
	made    int           // connections so far
	kept    int
	version int           // of HTTP, in the last answer; 0 before the first one
	sharing int           // queries on a connection of HTTP/2
	shrunk  int           // how often
	pause   time.Duration // before allowed grows
	growAt  time.Time
	grown   bool      // since it shrank last
	since   time.Time // the start, or when the budget shrank
}

func newBudget(most int, https bool, name string, log *slog.Logger) *budget {
	return &budget{most: most, allowed: most, https: https, name: name, log: log, sharing: streams, pause: firstPause, since: time.Now(), conns: map[*conn]int{}}
}

// queries is how many may be asked at once now. Until an answer tells whether HTTP/2 is
// spoken it is one: thousands would each open a connection of their own.
func (b *budget) queries() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grow()
	switch {
	case !b.https || b.version == 1:
		return b.allowed
	case b.version == 0:
		return 1
	}
	return b.sharing * min(b.allowed, h2Connections)
}

// answered notes the version of HTTP of an answer.
func (b *budget) answered(version int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version = version
}

// share sets how many queries share a connection of HTTP/2.
func (b *budget) share(queries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sharing = queries
}

// speaksH2 tells whether HTTP/2 is spoken, as far as that is known.
func (b *budget) speaksH2() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.https && b.version != 1
}

// take counts a connection that is about to be opened, unless the agent would refuse it.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.allowed < b.most && b.open >= b.allowed {
		return false
	}
	b.open++
	return true
}

// give counts a connection that is open no more.
func (b *budget) give() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
}

// add notes a connection that has been made, for which there has been a take.
func (b *budget) add(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made++
	b.conns[c] = b.made
}

// remove counts a connection that is closed. The agent needs a moment to see that, unless it
// has refused it.
func (b *budget) remove(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.conns[c]; !ok {
		return
	}
	delete(b.conns, c)
	if c.answered.Load() && b.allowed < b.most {
		time.AfterFunc(settle, b.give)
		return
	}
	b.open--
}

// keep counts a connection that is closed, but still has its place at the agent, for a time.
func (b *budget) keep(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	b.kept++
	time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.open--
		b.kept--
	})
}

// mark is a point in the life of a budget.
type mark struct{ shrunk, made int }

func (b *budget) mark() mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	return mark{b.shrunk, b.made}
}

// taken is how many of the connections that had been made then are open: an agent refuses at
// once, and in the order in which they come.
func (b *budget) taken(then mark) int {
	n := b.kept
	for _, made := range b.conns {
		if made <= then.made {
			n++
		}
	}
	return n
}

// others tells whether the agent has taken more than a few of the connections that had been
// made then.
func (b *budget) others(then mark) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken(then) >= fewest
}

// refused shrinks the budget below the number of connections that were taken, and leaves
// some to others. A request that began before it shrank last was refused for the same
// reason, and does not count.
func (b *budget) refused(began, then mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if began.shrunk != b.shrunk {
		return
	}
	say, taken := b.log.Warn, b.taken(then)
	left := max(fewest, taken-max(2, taken/10))
	if b.allowed < b.most { // so it cannot be much too high
		say, left = b.log.Debug, max(left, b.allowed*3/4)
	}
	b.allowed = min(b.allowed, left)
	b.shrunk++
	if b.grown { // one more was one too many
		b.pause = min(2*b.pause, longestPause)
	}
	b.grown = false
	b.since, b.growAt = time.Now(), time.Now().Add(b.pause)
	say(b.name+" refuses connections, of which it allows this host a number, to all programs together: from now on ctmpl uses fewer; "+
		"to have it so from the start set limits { connections }, or raise limits.http_max_conns_per_client of the agent",
		"connections", b.allowed, "configured", b.most)
}

// grow takes some connections back, since those who had them may have gone.
func (b *budget) grow() {
	if b.allowed == b.most || time.Now().Before(b.growAt) {
		return
	}
	if b.grown { // and that was good
		b.pause = max(firstPause, b.pause/2)
	}
	b.allowed, b.grown = min(b.most, b.allowed+max(1, b.allowed/4)), true
	b.growAt = time.Now().Add(b.pause)
	if b.allowed == b.most {
		b.pause = firstPause
		b.log.Info(b.name+" takes as many connections as are configured again", "connections", b.allowed)
	}
}

// hold is how long a query may be held. One that is given up keeps its place at the agent until
// its time is over, unless the agent notices (lingers): as long as it may have to be given up, that is
// a short time. It grows with the time for which the budget has been good.
func (b *budget) hold(most time.Duration, lingers bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch shrunk := b.allowed < b.most; {
	case b.https && b.version != 1: // the end of a stream is the end of its query's place
		return most
	case shrunk:
		most = min(most, tightHold)
	case !lingers:
		return most
	}
	return min(most, max(leastHold, time.Since(b.since)))
}

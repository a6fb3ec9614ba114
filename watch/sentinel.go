package watch

import "context"

// Sentinel is a Source that notices changes of many answers over a few connections, so
// that they need not be waited for one by one.
type Sentinel interface {
	Source
	// Covers tells whether changes of the answer to q are noticed once Watch is ready.
	Covers(q Query) bool
	// Cover sets the wanted queries. It gives the connections that it takes to look after
	// those that are covered, and how many these may be. When Watch has said that it is
	// ready, what changes after Cover has returned is told.
	Cover(wanted Set) (connections, covered int)
	// Watch looks after them until ctx ends, or something does not work. What has changed
	// before it is ready is not told. Without an error it is to be called again at once.
	Watch(ctx context.Context, tell func(Notice)) error
	// Noticed gives the index up to which all changes of the answer to q have been told.
	Noticed(q Query) uint64
}

// Notice is what a Sentinel tells.
type Notice struct {
	Ready bool    // changes are noticed from now on
	Stale []Query // whose answers may have changed, of those that are covered
}

// Budgeted is a Source that knows how many queries it can be asked at once. The number
// may change with what the source finds out.
type Budgeted interface{ Budget() int }

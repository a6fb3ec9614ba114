package watch

import (
	"context"
	"errors"
	"time"
)

// Answer is what a source says to a query.
type Answer struct {
	// Value is of the type that the query's kind names, and must not be changed
	// afterwards. nil says that there is nothing yet (a key or a file that does not
	// exist): the last good answer stays.
	Value any
	// Version rises with each change of what was asked; the next Fetch passes it as
	// after. One that is lower than before says that the source began anew, and 0
	// that it has no versions: then it is asked again and again.
	Version uint64
	// Indexed says that Version is an index of Consul's, from which the Store can tell
	// that Consul's state began anew.
	Indexed bool
	// Doubt is why the answer may lack something, "" when nothing speaks for that. The
	// text is the same as long as the reason is.
	Doubt string
}

// DoubtACL is the Doubt of an answer of which the token may not see all. A token of few
// rights may see only a part of a list for ever, so what counts is that this is new, or
// that nothing is left.
const DoubtACL = "results were filtered by ACLs"

// Source answers queries.
type Source interface {
	// Fetch answers q, holding for up to hold while nothing is newer than after;
	// after 0 is answered at once. It returns early with ctx's error when ctx ends.
	// An error that wraps ErrUnreachable says that no query can be answered now, and one
	// that wraps ErrNoAnswer does not show that any can.
	// The text of an error is the same as long as its cause is, and holds no secret.
	Fetch(ctx context.Context, q Query, after uint64, hold time.Duration) (Answer, error)
}

// ErrUnreachable is wrapped by the error of a source that cannot be reached at all.
var ErrUnreachable = errors.New("cannot be reached")

// ErrNoAnswer is wrapped by the error of a query that was cut off, or took too long:
// it tells nothing of whether others are answered.
var ErrNoAnswer = errors.New("no answer")

// ErrRefused is wrapped by the error of a query for which the source took no connection
// (see Budgeted): it is to be asked again when fewer are under way.
var ErrRefused = errors.New("connection refused for now")

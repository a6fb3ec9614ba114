package rollout

import (
	"errors"
	"io/fs"
	"os"
)

// pending is what is under way.
type pending struct {
	Generation int     // that is to come of it
	Undo       []*undo // what is to be put back when it is cut short
	Pin        *Pin    // that is to come of it
	Owed       bool    // the files are good, and just the reload is owed
	Unkept     bool    // all is good, and just not kept yet
}

// begin notes what is under way before it is begun. durable makes the note last through a
// power failure. That a reload is owed need not: after one, all programs start anew with
// what is there.
func (r *Record) begin(p pending, durable bool) error {
	if r == nil {
		return nil
	}
	p.Generation = r.next()
	return writeJSON(r.path("pending.json"), p, durable)
}

// repeat notes that what is under way came to the very files of the last good output: it
// would seem to have been cut short otherwise, since no new one is kept.
func (r *Record) repeat() error {
	p, err := r.unfinished()
	if p == nil || err != nil {
		return err
	}
	p.Generation = r.now.Number
	return writeJSON(r.path("pending.json"), p, len(p.Undo) > 0)
}

// renumber notes that another good output was kept than the one that is to come of what is under way.
func (r *Record) renumber() error {
	if r == nil {
		return nil
	}
	p, err := r.unfinished()
	switch {
	case p == nil || err != nil:
		return err
	case p.Unkept: // which it is now
		return r.end()
	}
	return r.begin(*p, len(p.Undo) > 0)
}

// end notes that nothing is under way any more.
func (r *Record) end() error {
	if r == nil {
		return nil
	}
	if err := os.Remove(r.path("pending.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unfinished gives what was under way when the process before ended.
func (r *Record) unfinished() (*pending, error) {
	var p pending
	switch err := readJSON(r.path("pending.json"), &p); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &p, nil
}

package render

import (
	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/watch"
)

// Read is an answer that a template has read.
type Read struct {
	// Revision is that of the answer. One can change while the template runs: the older
	// revision stands, so that the newer one is a change.
	Revision uint64

	query   watch.Query
	last    *watch.Stored // that was read last
	run     uint64        // in which that was
	counted uint64        // the revision that is in the facts
}

// reads is the funcs.Reader of the executions of a template. It goes on from one to the
// next, so that what is the same costs little.
type reads struct {
	store   *watch.Store
	run     uint64                 // the execution, from 1
	known   map[watch.Query]*Read  // by the execution before; none comes or goes
	fresh   map[watch.Query]*Read  // by this one alone
	again   int                    // how many of the known it has read
	missing map[watch.Query]uint64 // see Result
	changed []*Read                // whose revision is not in the facts

	facts   guard.Facts           // of the last complete execution
	counted map[watch.Query]*Read // what it had read
	moved   bool                  // since then others were read

	noting bool
	notes  []note // what is read while noting
}

// note says which answer was read.
type note struct {
	*Read
	answer *watch.Stored
}

func newReads(store *watch.Store) *reads { return &reads{store: store} }

// begin begins an execution.
func (r *reads) begin() {
	r.run++
	r.fresh, r.missing = map[watch.Query]*Read{}, map[watch.Query]uint64{}
	r.again, r.changed = 0, r.changed[:0]
	r.noting, r.notes = false, r.notes[:0]
}

// Read implements funcs.Reader.
func (r *reads) Read(q watch.Query) (any, bool) {
	read := r.find(q)
	answer := r.answer(q, read)
	if answer == nil {
		r.missing[q] = 0
		return nil, false
	}
	if read == nil {
		read = &Read{query: q}
		r.fresh[q] = read
	}
	r.take(note{read, answer})
	return answer.Value, true
}

func (r *reads) find(q watch.Query) *Read {
	if read := r.known[q]; read != nil {
		return read
	}
	return r.fresh[q]
}

// answer gives the answer to q, which may be the same as when it was read last.
func (r *reads) answer(q watch.Query, read *Read) *watch.Stored {
	if read != nil && read.last.Current() {
		return read.last
	}
	return r.store.Last(q)
}

// take takes in that an answer is read.
func (r *reads) take(n note) {
	if n.run != r.run {
		if n.run > 0 {
			r.again++
		}
		n.run, n.Revision = r.run, n.answer.Revision
		if n.Revision != n.counted {
			r.changed = append(r.changed, n.Read)
		}
	}
	n.last = n.answer
	if r.noting {
		r.notes = append(r.notes, n)
	}
}

// Refuse implements funcs.Reader.
func (r *reads) Refuse(q watch.Query) {
	r.missing[q] = 0
	if read := r.find(q); read != nil && read.run == r.run {
		r.missing[q] = read.Revision
	}
}

// waiting tells whether something is missing. Once it is, that stays so.
func (r *reads) waiting() bool { return len(r.missing) > 0 }

// end ends an execution. It gives all that was read, and tells whether these are other
// queries than before.
func (r *reads) end() (used map[watch.Query]*Read, moved bool) {
	if len(r.fresh) == 0 && r.again == len(r.known) && r.run > 1 {
		return r.known, false
	}
	for q, read := range r.known {
		if read.run == r.run {
			r.fresh[q] = read
		}
	}
	r.known, r.moved = r.fresh, true
	return r.known, true
}

// count gives the facts after a complete execution has ended.
func (r *reads) count() guard.Facts {
	answers := make(map[watch.Query]any, len(r.changed))
	for _, read := range r.changed {
		answers[read.query], read.counted = read.last.Value, read.Revision
	}
	var gone []watch.Query
	if r.moved {
		for q := range r.counted {
			if _, ok := r.known[q]; !ok {
				gone = append(gone, q)
			}
		}
	}
	r.facts, r.counted, r.moved = r.facts.Update(answers, gone), r.known, false
	return r.facts
}

// answers gives the answers that were read last.
func (r *reads) answers() map[watch.Query]any {
	all := map[watch.Query]any{}
	for q, read := range r.known {
		all[q] = read.last.Value
	}
	return all
}

package consul

import (
	"maps"
	"slices"
	"time"
)

const (
	// mostGap is the number of indexes of which it is worth looking whether each is that of a
	// change that was found.
	mostGap = 64
	// mostMoves bounds the moves that are kept apart.
	mostMoves = 64
	// mostFound bounds what is kept of the changes that were found.
	mostFound = 4096
	// closing is the time after which all is looked at once more: one index may be that of changes
	// in several places, and a server may have been behind.
	closing = 2 * time.Second
	// groupClosing is the same where groups of nodes show each of these places.
	groupClosing = 5 * time.Second
)

// move is a step of the index of services and nodes: between these two there was a change, or
// several.
type move struct {
	after, to uint64
	at        time.Time // when it was noticed
}

// moves are the steps of the index of which it is not known yet what they were.
type moves struct {
	table    uint64          // index of services and nodes
	polled   bool            // probes show it
	movedAt  time.Time       // when that was last another one
	open     []move          // oldest first
	found    map[uint64]bool // indexes of changes that have been found lately
	unclosed time.Time       // since when not all was looked at once more; zero when nothing has moved since
}

// move notes the index, which falls only when the state began anew.
func (m *moves) move(index uint64, now time.Time) error {
	if index < m.table {
		return errAnew
	}
	m.open = append(m.open, move{m.table, index, now})
	if len(m.open) > mostMoves {
		m.open[1].after = m.open[0].after
		m.open = slices.Delete(m.open, 0, 1)
	}
	if m.table, m.movedAt = index, now; m.unclosed.IsZero() {
		m.unclosed = now
	}
	return nil
}

// find notes the index of a change that was found.
func (m *moves) find(index uint64) {
	if index <= m.explainedTo() {
		return
	}
	if len(m.found) >= mostFound {
		clear(m.found)
	}
	m.found[index] = true
}

// explainedTo is the index up to which it is known what changed.
func (m *moves) explainedTo() uint64 {
	if len(m.open) > 0 {
		return m.open[0].after
	}
	return m.table
}

// unexplained gives the last move with a change that has not been found.
func (m *moves) unexplained() (last move, ok bool) {
	m.open = slices.DeleteFunc(m.open, m.explains)
	if len(m.open) == 0 {
		return move{}, false
	}
	return m.open[len(m.open)-1], true
}

// unexplainedAt tells whether there are changes that were noticed up to a time and not found.
func (m *moves) unexplainedAt(now time.Time) bool {
	m.unexplained()
	return len(m.open) > 0 && !m.open[0].at.After(now)
}

func (m *moves) explains(step move) bool {
	if step.to-step.after > mostGap {
		return false
	}
	for index := step.after + 1; index <= step.to; index++ {
		if !m.found[index] {
			return false
		}
	}
	return true
}

// lookedAtAll drops the moves before a time: whatever they were has been seen.
func (m *moves) lookedAtAll(since time.Time) {
	m.open = slices.DeleteFunc(m.open, func(step move) bool { return !step.at.After(since) })
	done := m.explainedTo()
	maps.DeleteFunc(m.found, func(index uint64, _ bool) bool { return index <= done })
}

// closes tells when all is to be looked at once more, a time after a move.
func (m *moves) closes(after time.Duration) (at time.Time, ok bool) {
	return m.unclosed.Add(after), !m.unclosed.IsZero()
}

// closed notes that all was looked at once more, at a time.
func (m *moves) closed(at time.Time, after time.Duration) {
	if m.unclosed = at; m.movedAt.Before(at.Add(-after)) {
		m.unclosed = time.Time{}
	}
}

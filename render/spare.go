package render

import (
	"slices"

	"github.com/ctmpl/ctmpl/render/rollout"
)

const (
	// mostOutputs is how many outputs of a template are kept in mind: one that is in place, which may
	// yet have to be kept as good, and the one before.
	mostOutputs = 2
	// longestSpare bounds what is in memory for that, in bytes of an output.
	longestSpare = 8 << 20
)

// outputs are the last outputs of a template, for one target, to be written over when nobody has them any
// more: each is as long as the whole file, which made them most of the garbage of a change.
type outputs struct {
	target *target
	list   [][]byte
}

// spare gives an output that nobody has any more, to be written over; nil when there is none. No rollout
// of the template may be under way.
func (u *unit) spare() []byte {
	if u.outputs.target != u.target { // what the other one has is not known here
		u.outputs = outputs{target: u.target}
	}
	list := u.outputs.list
	i := slices.IndexFunc(list, func(output []byte) bool {
		return !u.target.has(output) && !(rollout.File{Content: u.shown}).SharesMemory(output)
	})
	if i < 0 {
		return nil
	}
	output := list[i]
	u.outputs.list = slices.Delete(list, i, i+1)
	return output
}

// made notes an output.
func (u *unit) made(output []byte) {
	if cap(output) > longestSpare {
		return
	}
	list := append(u.outputs.list, output)
	u.outputs.list = slices.Delete(list, 0, max(0, len(list)-mostOutputs))
}

// has tells whether a target has an output, to be rolled out or to be kept.
func (t *target) has(output []byte) bool {
	for _, list := range [][]ready{t.ready, t.flying, t.failed} {
		for _, r := range list {
			if slices.ContainsFunc(r.files, func(f rollout.File) bool { return f.SharesMemory(output) }) {
				return true
			}
		}
	}
	return t.Holds(output)
}

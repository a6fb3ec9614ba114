package child

import "syscall"

// member is one of a process group.
type member struct {
	pid     int
	ignored uint64 // signals, the lowest bit for signal 1
}

func (m member) ignores(s syscall.Signal) bool { return s > 0 && m.ignored>>(s-1)&1 != 0 }

// members are those of a process group that are alive. Zombies do not count: where
// nobody reaps orphans they stay forever.
func members(group int) []member {
	if syscall.Kill(-group, 0) == syscall.ESRCH {
		return nil // without a look at all processes
	}
	var out []member
	for _, p := range processes() {
		if p.group == group && !p.zombie() {
			out = append(out, member{p.pid, p.ignored})
		}
	}
	return out
}

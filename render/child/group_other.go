//go:build !linux

package child

import "syscall"

// member is one of a process group or, here, all of it.
type member struct{ pid int }

func (member) ignores(syscall.Signal) bool { return false }

// members are those of a process group that are alive.
func members(group int) []member {
	if syscall.Kill(-group, 0) != nil {
		return nil
	}
	return []member{{-group}}
}

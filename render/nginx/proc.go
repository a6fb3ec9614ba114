package nginx

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a process that keeps its identity when its number is used again.
type process struct {
	pid     int
	started string // ticks since the machine started
}

// proc is a path below /proc.
func proc(pid int, path string) string { return fmt.Sprintf("/proc/%d/%s", pid, path) }

// look gives the process that has a number now, unless there is none or it has
// ended and merely was not waited for.
func look(pid int) (process, bool) {
	fields := statFields(pid)
	if len(fields) <= fieldStarted || fields[fieldState] == "Z" || fields[fieldState] == "X" {
		return process{}, false
	}
	return process{pid, fields[fieldStarted]}, true
}

// The places of fields behind the name of the program. In proc_pid_stat(5) they are 3
// higher.
const (
	fieldState   = 0
	fieldParent  = 1
	fieldStarted = 19
)

func statFields(pid int) []string {
	line, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
}

// lives tells whether it is still there.
func (p process) lives() bool {
	now, ok := look(p.pid)
	return ok && now == p
}

// title is what a process shows as its command line, up to the first NUL.
func title(pid int) string {
	line, err := os.ReadFile(proc(pid, "cmdline"))
	if err != nil {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte{0})
	return strings.TrimRight(string(line), " ")
}

// program is the path of what a process runs, and "" when that cannot be seen. After
// an upgrade of the package it is that of the new one.
func program(pid int) string {
	path, err := os.Readlink(proc(pid, "exe"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// everybody are the numbers of all processes that can be seen.
func everybody() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those before an error are better than none
	var out []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// role is what a child of the master does.
type role int

const (
	unborn   role = iota // forked, and not named yet
	serving              // a worker that takes connections
	draining             // a worker that only ends those that it has
	helping              // a cache manager or loader
)

// child is a child of the master.
type child struct {
	process
	role role
}

func roleOf(title string) role {
	switch {
	case strings.HasPrefix(title, "nginx: worker process is shutting down"):
		return draining
	case strings.HasPrefix(title, "nginx: worker process"):
		return serving
	case strings.HasPrefix(title, "nginx: cache "):
		return helping
	}
	return unborn
}

// children are those of a process that have not ended.
func children(parent int) []child {
	var out []child
	for _, pid := range childPIDs(parent) {
		// The identity comes first: what has it still has the title afterwards.
		if p, ok := look(pid); ok {
			out = append(out, child{p, roleOf(title(pid))})
		}
	}
	return out
}

func childPIDs(parent int) []int {
	text, err := os.ReadFile(proc(parent, filepath.Join("task", strconv.Itoa(parent), "children")))
	var out []int
	if err == nil {
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				out = append(out, pid)
			}
		}
		return out
	}
	for _, pid := range everybody() { // a kernel without CONFIG_PROC_CHILDREN
		if fields := statFields(pid); len(fields) > fieldParent && fields[fieldParent] == strconv.Itoa(parent) {
			out = append(out, pid)
		}
	}
	return out
}

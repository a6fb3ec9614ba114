package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// stat is a process as /proc/<pid>/stat shows it.
type stat struct {
	pid, parent, group int
	state              byte
	started            uint64 // ticks since the machine started
	ignored            uint64 // signals, the lowest bit for signal 1
}

func (s stat) zombie() bool { return s.state == 'Z' || s.state == 'X' }

// processes are all that can be seen.
func processes() []stat {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those before an error are better than none
	var out []stat
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		if s, err := parseStat(string(line)); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// The places of fields behind the name of the program. In proc_pid_stat(5) they are
// 3 higher.
const (
	fieldState   = 0
	fieldParent  = 1
	fieldGroup   = 2
	fieldStarted = 19
	fieldIgnored = 30
)

// parseStat reads a line of /proc/<pid>/stat. The name of the program, in
// parentheses, may hold anything.
func parseStat(line string) (stat, error) {
	var s stat
	open, shut := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || shut < open {
		return s, fmt.Errorf("%q has no name", line)
	}
	fields := strings.Fields(line[shut+1:])
	if len(fields) <= fieldIgnored {
		return s, fmt.Errorf("%q has too few fields", line)
	}
	s.state = fields[fieldState][0]
	for _, field := range []struct {
		to   *int
		text string
	}{{&s.pid, strings.TrimSpace(line[:open])}, {&s.parent, fields[fieldParent]}, {&s.group, fields[fieldGroup]}} {
		n, err := strconv.Atoi(field.text)
		if err != nil {
			return s, err
		}
		*field.to = n
	}
	var err error
	if s.started, err = strconv.ParseUint(fields[fieldStarted], 10, 64); err != nil {
		return s, err
	}
	s.ignored, err = strconv.ParseUint(fields[fieldIgnored], 10, 64)
	return s, err
}

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpuTime is the time that a process has used, in user and in kernel mode.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third on, see proc_pid_stat(5)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // sysconf(_SC_CLK_TCK) is 100 on Linux
	return time.Duration(user+system) * tick
}

// memory is what a process has in memory, and the most that it had, in bytes.
func memory(pid int) (resident, peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			resident = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return resident, peak
}

// spent is the CPU time of a program and of its Consul agent, in a time.
type spent struct{ program, consul, in time.Duration }

// meter gives what has been spent since it was made.
func meter(program, consul int) func() spent {
	start, p, c := time.Now(), cpuTime(program), cpuTime(consul)
	return func() spent { return spent{cpuTime(program) - p, cpuTime(consul) - c, time.Since(start)} }
}

func (s *spent) add(o spent) {
	s.program += o.program
	s.consul += o.consul
	s.in += o.in
}

package main

import (
	"fmt"
	"time"
)

// scaleRows are what the table tells of a side, and how the two compare.
type scaleRows struct{ *table }

func scaleTable(p scalePlan, services []int) scaleRows {
	t := &table{
		what: fmt.Sprintf("%s, %d changes at %g/s, rounds: %d", p.shape, p.changes, p.rate, p.rounds),
	}
	t.columns = []string{""}
	for _, n := range services {
		t.columns = append(t.columns, fmt.Sprintf("%d services: %s", n, peerName), "ctmpl", "ratio")
	}
	return scaleRows{t}
}

// add puts the three columns of one scale beside those that are there.
func (t scaleRows) add(c compared) {
	first := len(t.rows) == 0
	for i, r := range c.rows() {
		if first {
			t.row(r.name)
		}
		t.rows[i] = append(t.rows[i], r.peer, r.own, r.ratio)
	}
}

// comparison is one row for one scale.
type comparison struct{ name, peer, own, ratio string }

func (c compared) rows() []comparison {
	return []comparison{
		c.times("start → first file, s, p50", func(s *side) []time.Duration { return s.cold }, time.Second, 0.5),
		c.times("PUT → file, ms, p50 / p99", func(s *side) []time.Duration { return s.delays }, time.Millisecond, 0.5, 0.99),
		c.times("the same, recently changed services", func(s *side) []time.Duration { return s.recent }, time.Millisecond, 0.5, 0.99),
		{"PUT → a bare blocking query, ms, p50 / p99", "", twoQuantiles(c.floor.asked), ""},
		{"and a file written, synced and renamed", "", twoQuantiles(c.floor.written), fmt.Sprintf("%.2f", ratio(quantile(c.floor.written, 0.5), quantile(c.peer.delays, 0.5)))},
		c.numbers("its CPU per change, ms", "%.1f", func(s *side) float64 { return perChange(s.busy.program, s.changes) }),
		c.numbers("Consul's CPU per change, ms", "%.1f", func(s *side) float64 { return perChange(s.busy.consul, s.changes) }),
		c.numbers("Consul's CPU during the changes, cores", "%.2f", func(s *side) float64 { return cores(s.busy.consul, s.busy.in) }),
		c.numbers("its CPU while nothing changes, cores", "%.3f", func(s *side) float64 { return cores(s.idle.program, s.idle.in) }),
		c.numbers("Consul's CPU while nothing changes, cores", "%.3f", func(s *side) float64 { return cores(s.idle.consul, s.idle.in) }),
		c.numbers("connections, the most", "%.0f", func(s *side) float64 { return float64(s.connections) }),
		{"refused requests (429)", c.peer.refusedText(), c.own.refusedText(), ""},
		{"with default limits: first file, s; refused requests", c.limited, seconds(c.own.cold) + "; " + c.own.refusedText(), ""},
		c.numbers("memory, the most, MB", "%.0f", func(s *side) float64 { return megabytes(s.peak) }),
		c.numbers("memory after the changes, MB", "%.0f", func(s *side) float64 { return megabytes(s.resident) }),
		c.numbers("commands for 100 changes in 1 s", "%.0f", func(s *side) float64 { return float64(s.commands) }),
		c.numbers("commands with `wait = \"250ms:1s\"`", "%.0f", func(s *side) float64 { return float64(s.commandsWait) }),
	}
}

// keyRows are those of them that keys are measured by.
func (c compared) keyRows() []comparison {
	return []comparison{
		c.times("start → first file, s, p50", func(s *side) []time.Duration { return s.cold }, time.Second, 0.5),
		c.times("PUT → file, ms, p50 / p99", func(s *side) []time.Duration { return s.delays }, time.Millisecond, 0.5, 0.99),
		c.numbers("its CPU per change, ms", "%.1f", func(s *side) float64 { return perChange(s.busy.program, s.changes) }),
		c.numbers("Consul's CPU per change, ms", "%.1f", func(s *side) float64 { return perChange(s.busy.consul, s.changes) }),
		c.numbers("connections, the most", "%.0f", func(s *side) float64 { return float64(s.connections) }),
		{"refused requests (429)", c.peer.refusedText(), c.own.refusedText(), ""},
		c.numbers("memory, the most, MB", "%.0f", func(s *side) float64 { return megabytes(s.peak) }),
	}
}

// times compares quantiles.
func (c compared) times(name string, of func(*side) []time.Duration, unit time.Duration, quantiles ...float64) comparison {
	row := comparison{name: name}
	for i, q := range quantiles {
		if i > 0 {
			row.peer, row.own, row.ratio = row.peer+" / ", row.own+" / ", row.ratio+" / "
		}
		peer, own := quantile(of(c.peer), q), quantile(of(c.own), q)
		row.peer += inUnit(peer, unit)
		row.own += inUnit(own, unit)
		row.ratio += fmt.Sprintf("%.2f", ratio(own, peer))
	}
	return row
}

func (c compared) numbers(name, format string, of func(*side) float64) comparison {
	peer, own := of(c.peer), of(c.own)
	row := comparison{name: name, peer: fmt.Sprintf(format, peer), own: fmt.Sprintf(format, own)}
	if peer > 0 {
		row.ratio = fmt.Sprintf("%.2f", own/peer)
	}
	return row
}

func perChange(cpu time.Duration, changes int) float64 {
	return cpu.Seconds() * 1000 / float64(max(changes, 1))
}

func cores(cpu, in time.Duration) float64 { return cpu.Seconds() / max(in.Seconds(), 0.001) }

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// inUnit has the digits that are worth reading.
func inUnit(d, unit time.Duration) string {
	switch v := float64(d) / float64(unit); {
	case v < 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

func twoQuantiles(list []time.Duration) string {
	return inUnit(quantile(list, 0.5), time.Millisecond) + " / " + inUnit(quantile(list, 0.99), time.Millisecond)
}

func seconds(list []time.Duration) string { return inUnit(quantile(list, 0.5), time.Second) }

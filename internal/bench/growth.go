package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// figure is what growth draws, beside the page that shows it.
const figure = "docs/growth.svg"

// growth measures fewer changes than scale, slowly enough for both programs, at more
// numbers of services.
func growth(ctx context.Context, dir string, programs programs, plan scalePlan, services []int) error {
	plan.changes, plan.rate, plan.rounds, plan.full = 60, 4, 1, false
	t := &table{
		what: fmt.Sprintf("%s, %d changes at %g/s", plan.shape, plan.changes, plan.rate),
	}
	t.columns = []string{"services"}
	measures := growthMeasures()
	for _, m := range measures {
		t.columns = append(t.columns, m.name+": "+peerName, "ctmpl")
	}
	for _, n := range services {
		plan.services = n
		c, err := plan.run(ctx, dir, programs)
		if err != nil {
			return fmt.Errorf("%d services: %w", n, err)
		}
		row := []string{strconv.Itoa(n)}
		for i := range measures {
			m := &measures[i]
			peer, own := m.of(c.peer), m.of(c.own)
			m.peer, m.own = append(m.peer, point{float64(n), peer}), append(m.own, point{float64(n), own})
			row = append(row, digits(peer), digits(own))
		}
		t.row(row...)
	}
	t.print(os.Stdout)
	return os.WriteFile(figure, drawing(measures), 0o644)
}

// measure is one of the small plots.
type measure struct {
	name      string
	of        func(*side) float64
	peer, own []point
}

// point has the number of services, and what was measured.
type point struct{ x, y float64 }

func growthMeasures() []measure {
	return []measure{
		{name: "PUT → file, ms, p50", of: func(s *side) float64 { return quantile(s.delays, 0.5).Seconds() * 1000 }},
		{name: "CPU per change, ms", of: func(s *side) float64 { return perChange(s.busy.program, s.changes) }},
		{name: "memory, MB", of: func(s *side) float64 { return megabytes(s.peak) }},
		{name: "start → first file, s", of: func(s *side) float64 { return quantile(s.cold, 0.5).Seconds() }},
	}
}

// digits are those that are worth reading.
func digits(v float64) string {
	switch {
	case v < 1:
		return fmt.Sprintf("%.2f", v)
	case v < 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

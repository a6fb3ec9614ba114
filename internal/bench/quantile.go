package main

import (
	"slices"
	"time"
)

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// quantile gives the value below which the share q of all lies.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

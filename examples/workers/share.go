package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// chiSquared tells how far counts are from what is expected of weights: the sum of
// (counted - expected)²/expected (Pearson). What has no weight has to have no count.
func chiSquared(counts, weights map[string]int) (float64, error) {
	for name, n := range counts {
		if weights[name] == 0 {
			return 0, fmt.Errorf("%s has answered %d requests and has no weight", name, n)
		}
	}
	var x float64
	for name, weight := range weights {
		expected := float64(sum(counts)*weight) / float64(sum(weights))
		x += (float64(counts[name]) - expected) * (float64(counts[name]) - expected) / expected
	}
	return x, nil
}

// bounds are what chi-squared of counts that do follow their weights exceeds once in a
// thousand times, by the degrees of freedom: one less than there are weights
// (https://www.itl.nist.gov/div898/handbook/eda/section3/eda3674.htm).
var bounds = []float64{0, 10.828, 13.816, 16.266, 18.467}

// even are the same weights for all.
func even(weights map[string]int) map[string]int {
	same := map[string]int{}
	for name := range weights {
		same[name] = 1
	}
	return same
}

// list prints weights and counts as "worker-127.0.0.2 weight 10: 48.7%, …".
func list(counts, weights map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		parts = append(parts, fmt.Sprintf("%s weight %d: %.1f%%", name, weights[name], 100*float64(counts[name])/float64(sum(counts))))
	}
	return strings.Join(parts, ", ")
}

func sum(m map[string]int) (total int) {
	for _, n := range m {
		total += n
	}
	return total
}

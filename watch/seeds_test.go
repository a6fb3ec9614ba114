//go:build !race

package watch_test

// seeds is how many random stories there are.
const seeds = 60

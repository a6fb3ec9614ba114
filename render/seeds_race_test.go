//go:build race

package render

// seeds is how many random templates there are: the race detector is slow, and has less to
// find here.
const seeds = 12

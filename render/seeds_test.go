//go:build !race

package render

// seeds is how many random templates there are.
const seeds = 60

//go:build race

package watch_test

// seeds is how many random stories there are. Go's race detector itself fails now and then
// after some ten thousand switches between goroutines (a CHECK in tsan_rtl.cpp on its
// epochs), so there are few of them with it.
const seeds = 8

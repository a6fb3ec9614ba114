//go:build race

package main

// race says whether ctmpl is to be built with the race detector, as the tests are.
const race = true

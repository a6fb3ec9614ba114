package funcs

import (
	"fmt"
	"iter"
	"reflect"
	"strconv"
)

// maxQueued bounds the memory of a loop at 8 MiB.
const maxQueued = 1 << 20

// loop counts up to but without its last argument, from 0 or from the first of
// two. The arguments are integers or strings with one; the numbers are int64.
//
// The result is for range. As with consul-template it can be used once, and a
// second range goes on where a break has left the first. It is a closed channel
// with all numbers in its buffer: text/template knows two variables for a channel
// (range $i, $n := loop 3) but not for an iterator of one value, and a goroutine
// that feeds a channel would stay behind after a break. Beyond maxQueued numbers
// the result is an iterator all the same, so that memory is bounded.
func loop(bounds ...any) (any, error) {
	if len(bounds) != 1 && len(bounds) != 2 {
		return nil, fmt.Errorf("loop: want 1 or 2 arguments, got %d", len(bounds))
	}
	var start int64
	var err error
	if len(bounds) == 2 {
		if start, err = loopBound(bounds[0]); err != nil {
			return nil, err
		}
	}
	stop, err := loopBound(bounds[len(bounds)-1])
	if err != nil {
		return nil, err
	}
	start = min(start, stop)
	if uint64(stop)-uint64(start) > maxQueued { // exact even where int64 overflows
		return counter(start, stop), nil
	}
	return queue(start, stop), nil
}

// loopBound reads one argument of loop; the empty string is 0.
func loopBound(v any) (int64, error) {
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		return n.Int(), nil
	case n.CanUint():
		return int64(n.Uint()), nil
	case n.Kind() == reflect.String:
		return parseScalar("loop", "an integer", n.String(), decimalInt)
	}
	return 0, fmt.Errorf("loop: want integers, got %T", v)
}

func queue(start, stop int64) <-chan int64 {
	numbers := make(chan int64, stop-start)
	for n := start; n < stop; n++ {
		numbers <- n
	}
	close(numbers)
	return numbers
}

func counter(next, stop int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for next < stop {
			next++
			if !yield(next - 1) {
				return
			}
		}
	}
}

func decimalInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

package funcs

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// maxWeight is beyond any use: nginx keeps points for each unit of weight where it
// hashes consistently.
const maxWeight = 1000

// nginxWeight gives a weight from 1 to 1000: what is less or more is taken as these,
// since nginx refuses 0, which Consul has for an instance in state warning. v is a
// number, or an instance of a service: then it is that for its state.
func nginxWeight(v any) (int, error) { return weight("nginxWeight", v) }

// nginxWeights gives the weights of a list of instances or numbers, divided by what
// all have in common, in the order of the list.
func nginxWeights(list any) ([]int, error) {
	values := reflect.ValueOf(list)
	if values.Kind() != reflect.Slice {
		return nil, errors.New("nginxWeights: want a list of instances or numbers")
	}
	weights, common := make([]int, values.Len()), 0
	for i := range weights {
		n, err := weight("nginxWeights", values.Index(i).Interface())
		if err != nil {
			return nil, err
		}
		weights[i], common = n, gcd(n, common)
	}
	for i := range weights {
		weights[i] /= common
	}
	return weights, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func weight(fn string, v any) (int, error) {
	if i, ok := v.(*watch.ServiceInstance); ok {
		v = i.Weights.Warning
		if i.Status == watch.StatusPassing {
			v = i.Weights.Passing
		}
	}
	n, ok := whole(v)
	if !ok {
		return 0, &ValueError{Function: fn, Reason: "want a whole number", Value: textOf(v)}
	}
	return int(min(max(n, 1), maxWeight)), nil
}

// nginxInt gives a number from 0 to the largest that fits into 31 bits, which is
// what nginx takes for most of its numbers.
func nginxInt(v any) (int, error) {
	n, ok := whole(v)
	if !ok || n < 0 || n > math.MaxInt32 {
		return 0, &ValueError{Function: "nginxInt", Reason: "want a whole number, 0 to 2147483647", Value: textOf(v)}
	}
	return int(n), nil
}

// maxDuration is beyond any use, and below what nginx cannot count.
const maxDuration = 10 * 365 * 24 * time.Hour

// nginxDuration gives a time in whole seconds, as in 90s, or in milliseconds where
// it is none. v is a duration as Go writes it, as in 1m30s, or a number of seconds.
func nginxDuration(v any) (Nginx, error) {
	d, ok := duration(v)
	if !ok || d < 0 || d > maxDuration || d%time.Millisecond != 0 {
		return "", &ValueError{Function: "nginxDuration", Reason: "want a time such as 5s, 1m30s or 250ms", Value: textOf(v)}
	}
	if d%time.Second != 0 {
		return Nginx(strconv.FormatInt(d.Milliseconds(), 10) + "ms"), nil
	}
	return Nginx(strconv.FormatInt(int64(d/time.Second), 10) + "s"), nil
}

func duration(v any) (time.Duration, bool) {
	if d, ok := v.(time.Duration); ok {
		return d, true
	}
	if n, ok := whole(v); ok {
		return time.Duration(min(max(n, -1), int64(maxDuration/time.Second)+1)) * time.Second, true
	}
	d, err := time.ParseDuration(textOf(v))
	return d, err == nil
}

// sizePattern is what fits into 63 bits.
var sizePattern = regexp.MustCompile(`^([0-9]{1,12}[kKmM]?|[0-9]{1,9}[gG])$`)

// nginxSize gives a number of bytes, with k, m or g behind it or without.
func nginxSize(v any) (Nginx, error) {
	s := textOf(v)
	if n, ok := whole(v); ok && s == "" {
		s = strconv.FormatInt(n, 10)
	}
	if !sizePattern.MatchString(s) {
		return "", &ValueError{Function: "nginxSize", Reason: "want a size such as 512, 8k or 10m", Value: s}
	}
	return Nginx(s), nil
}

// textOf gives v if it is a text, else "".
func textOf(v any) string {
	if value := reflect.ValueOf(v); value.Kind() == reflect.String {
		return value.String()
	}
	return ""
}

var wholePattern = regexp.MustCompile(`^-?[0-9]+$`)

// whole reads a whole number: metadata of services is text, and JSON has floats. One
// that does not fit is the largest or smallest one.
func whole(v any) (n int64, ok bool) {
	switch value := reflect.ValueOf(v); {
	case !value.IsValid():
		return 0, false
	case value.CanInt():
		return value.Int(), true
	case value.CanUint():
		return int64(min(value.Uint(), math.MaxInt64)), true
	case value.CanFloat():
		f := value.Float()
		if f != math.Trunc(f) || math.IsNaN(f) {
			return 0, false
		}
		return int64(min(max(f, -1<<53), 1<<53)), true
	case value.Kind() == reflect.String && wholePattern.MatchString(value.String()):
		n, _ := strconv.ParseInt(value.String(), 10, 64) // on ErrRange it is the nearest
		return n, true
	}
	return 0, false
}

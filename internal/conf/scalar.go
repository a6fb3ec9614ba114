package conf

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// IsObject tells whether the value is an object or a block.
func (v Value) IsObject() bool { return v.kind == object }

// IsList tells whether the value is a list.
func (v Value) IsList() bool { return v.kind == list }

// IsNumber tells whether the value is written as a number.
func (v Value) IsNumber() bool { return v.kind == number }

func (v Value) isScalar() bool { return v.kind == text || v.kind == number || v.kind == truth }

func (v Value) describe() string {
	return map[kind]string{null: "null", text: "a string", number: "a number", truth: "a truth value", list: "a list", object: "a block"}[v.kind]
}

// String gives a scalar as text, a number as it is written.
func (v Value) String() (string, error) {
	if !v.isScalar() {
		return "", fmt.Errorf("want a string, got %s", v.describe())
	}
	return v.Raw, nil
}

// Bool gives a truth value, which may be written as a string or as 0 and 1.
func (v Value) Bool() (bool, error) {
	if v.isScalar() {
		if b, err := strconv.ParseBool(v.Raw); err == nil {
			return b, nil
		}
	}
	return false, fmt.Errorf("want true or false, got %s", v.describe())
}

// Int gives a whole number, which may be written as a string. A number may be octal
// (010) or hexadecimal (0x1f), as in HCL v1, or 1e3.
func (v Value) Int() (int64, error) {
	base := 10
	if v.kind == number {
		base = 0
	}
	if v.isScalar() {
		if n, err := strconv.ParseInt(v.Raw, base, 64); err == nil {
			return n, nil
		}
	}
	if f, err := strconv.ParseFloat(v.Raw, 64); v.kind == number && err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	return 0, fmt.Errorf("want a whole number, got %s", v.describe())
}

// Duration gives a duration: "1m30s", or a number of seconds.
func (v Value) Duration() (time.Duration, error) {
	if !v.isScalar() {
		return 0, fmt.Errorf(`want a duration such as "5s", got %s`, v.describe())
	}
	if n, err := v.Int(); err == nil && v.kind == number {
		return ParseDuration(strconv.FormatInt(n, 10))
	}
	return ParseDuration(v.Raw)
}

// maxSeconds is from where on a number without a unit is not taken for seconds.
// consul-template takes it for nanoseconds, and a number as great may be meant so.
const maxSeconds = 100_000_000

// ParseDuration reads "1m30s", or a number of seconds. It is not negative.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		seconds, numErr := strconv.ParseFloat(s, 64)
		switch {
		case numErr != nil || math.IsNaN(seconds):
			return 0, fmt.Errorf(`%q is not a duration such as "5s"`, s)
		case math.Abs(seconds) >= maxSeconds:
			return 0, fmt.Errorf(`%q has no unit, and is too much for seconds: want a duration such as "5s"`, s)
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative: want a duration of zero or more", s)
	}
	return d, nil
}

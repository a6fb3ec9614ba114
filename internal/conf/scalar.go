package conf

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// IsObject tells whether the value is an object or a block.
func (v Value) IsObject() bool { return v.kind == object }

// IsList tells whether the value is a list.
func (v Value) IsList() bool { return v.kind == list }

func (v Value) isNull() bool { return v.kind == scalar && v.Scalar.IsNull() }

func (v Value) describe() string {
	switch {
	case v.kind == object:
		return "a block"
	case v.kind == list:
		return "a list"
	case v.isNull():
		return "null"
	case v.Scalar.Type() == cty.String:
		return "a string"
	case v.Scalar.Type() == cty.Bool:
		return "a truth value"
	}
	return "a number"
}

// String gives a scalar as text.
func (v Value) String() (string, error) {
	if v.kind != scalar || v.Scalar.IsNull() {
		return "", fmt.Errorf("want a string, got %s", v.describe())
	}
	switch v.Scalar.Type() {
	case cty.String:
		return v.Scalar.AsString(), nil
	case cty.Bool:
		return strconv.FormatBool(v.Scalar.True()), nil
	}
	return v.Scalar.AsBigFloat().Text('f', -1), nil
}

// Bool gives a truth value, which may be written as a string or as 0 and 1.
func (v Value) Bool() (bool, error) {
	if s, err := v.String(); err == nil {
		if b, err := strconv.ParseBool(s); err == nil {
			return b, nil
		}
	}
	return false, fmt.Errorf("want true or false, got %s", v.describe())
}

// Int gives a whole number, which may be written as a string.
func (v Value) Int() (int64, error) {
	if s, err := v.String(); err == nil {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("want a whole number, got %s", v.describe())
}

// IsNumber tells whether the value is written as a number.
func (v Value) IsNumber() bool {
	return v.kind == scalar && !v.Scalar.IsNull() && v.Scalar.Type() == cty.Number
}

// Duration gives a duration: "1m30s", or a number of seconds.
func (v Value) Duration() (time.Duration, error) {
	s, err := v.String()
	if err != nil {
		return 0, fmt.Errorf(`want a duration such as "5s", got %s`, v.describe())
	}
	return ParseDuration(s)
}

// ParseDuration reads "1m30s", or a number of seconds. It is not negative.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		seconds, numErr := strconv.ParseFloat(s, 64)
		if numErr != nil || math.Abs(seconds) > math.MaxInt64/float64(time.Second) {
			return 0, fmt.Errorf(`%q is not a duration such as "5s"`, s)
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d < 0 {
		return 0, fmt.Errorf("%q is negative: want a duration of zero or more", s)
	}
	return d, nil
}

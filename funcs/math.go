package funcs

import (
	"errors"
	"fmt"
	"reflect"
	"text/template"
)

// mathFuncs are the functions on two numbers. The right operand comes first, so
// that the left one can come from a pipe: 10 | subtract 3 is 7.
//
// Two signed or two unsigned operands meet in int64 or uint64; a signed and an
// unsigned one in int64; and with a float in float64. The result has that type
// and wraps around on overflow. An operand that is not a number is an error.
func mathFuncs() template.FuncMap {
	return template.FuncMap{
		"add":      operation{sum[int64], sum[uint64], sum[float64]}.named("add"),
		"subtract": operation{difference[int64], difference[uint64], difference[float64]}.named("subtract"),
		"multiply": operation{product[int64], product[uint64], product[float64]}.named("multiply"),
		"divide":   operation{quotient[int64], quotient[uint64], ratio}.named("divide"),
		"modulo":   operation{remainder[int64], remainder[uint64], nil}.named("modulo"),
		"minimum":  operation{less[int64], less[uint64], less[float64]}.choice("minimum"),
		"maximum":  operation{greater[int64], greater[uint64], greater[float64]}.choice("maximum"),
	}
}

type integer interface{ int64 | uint64 }

type number interface{ integer | float64 }

func sum[T number](a, b T) (any, error) { return a + b, nil }

func difference[T number](a, b T) (any, error) { return a - b, nil }

func product[T number](a, b T) (any, error) { return a * b, nil }

func less[T number](a, b T) (any, error) { return a < b, nil }

func greater[T number](a, b T) (any, error) { return a > b, nil }

// ratio gives an infinity or NaN for a division by zero.
func ratio(a, b float64) (any, error) { return a / b, nil }

func quotient[T integer](a, b T) (any, error) {
	if b == 0 {
		return nil, errDivisionByZero
	}
	return a / b, nil
}

func remainder[T integer](a, b T) (any, error) {
	if b == 0 {
		return nil, errDivisionByZero
	}
	return a % b, nil
}

var (
	errDivisionByZero = errors.New("division by zero")
	errNotNumber      = errors.New("want numbers")
	errNotInteger     = errors.New("want integers")
)

// operation has one form for each type in which two operands can meet. floats is
// nil when it is for integers alone.
type operation struct {
	ints   func(a, b int64) (any, error)
	uints  func(a, b uint64) (any, error)
	floats func(a, b float64) (any, error)
}

// named gives the template function name, whose result is that of op.
func (op operation) named(name string) func(b, a any) (any, error) {
	return func(b, a any) (any, error) {
		v, err := op.apply(widen(a), widen(b))
		return v, operandError(name, err, b, a)
	}
}

// choice gives the template function name, whose result is a when op is true for
// both operands, else b, each as the widest of its own kind of type.
func (op operation) choice(name string) func(b, a any) (any, error) {
	return func(b, a any) (any, error) {
		x, y := widen(a), widen(b)
		first, err := op.apply(x, y)
		if first == true {
			return x, nil
		}
		return y, operandError(name, err, b, a)
	}
}

// apply works on two values of widen.
func (op operation) apply(a, b any) (any, error) {
	_, aFloat := a.(float64)
	_, bFloat := b.(float64)
	_, aUint := a.(uint64)
	_, bUint := b.(uint64)
	switch {
	case a == nil || b == nil:
		return nil, errNotNumber
	case (aFloat || bFloat) && op.floats == nil:
		return nil, errNotInteger
	case aFloat || bFloat:
		return op.floats(convert[float64](a), convert[float64](b))
	case aUint && bUint:
		return op.uints(a.(uint64), b.(uint64))
	}
	return op.ints(convert[int64](a), convert[int64](b))
}

// widen gives v as int64, uint64 or float64, and nil when it is not a number.
func widen(v any) any {
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		return n.Int()
	case n.CanUint():
		return n.Uint()
	case n.CanFloat():
		return n.Float()
	}
	return nil
}

// convert gives a value of widen as T.
func convert[T number](v any) T {
	switch n := v.(type) {
	case int64:
		return T(n)
	case uint64:
		return T(n)
	}
	return T(v.(float64))
}

// operandError gives err the name of the function, and the types of the operands
// unless those are all right.
func operandError(name string, err error, b, a any) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDivisionByZero):
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w, got %T and %T", name, err, b, a)
}

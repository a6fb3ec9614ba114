package funcs

import (
	"fmt"
	"math"
	"testing"
)

// The type of a result is part of it: eq and printf see it.
func TestMath(t *testing.T) {
	data := map[string]any{"i": int64(7), "u": uint64(7), "f": 2.5, "i8": int8(-3), "u8": uint8(3), "maxu": uint64(math.MaxUint64), "mini": int64(math.MinInt64), "nan": math.NaN(), "f32": float32(0.5)}
	show := func(expr string) string { return `{{printf "%T %v" (` + expr + `) (` + expr + `)}}` }
	var cases []helperCase
	for expr, want := range map[string]string{
		"add 1 2":          "int64 3",
		"add .u .u8":       "uint64 10",
		"add .u .i":        "int64 14",
		"add .f 1":         "float64 3.5",
		"add .f32 .u":      "float64 7.5",
		"add .maxu 1":      "int64 0",
		"add .maxu .u":     "uint64 6",
		"subtract 2 5":     "int64 3",
		"5 | subtract 2":   "int64 3",
		"subtract .u .u8":  "uint64 18446744073709551612",
		"subtract .f .u":   "float64 4.5",
		"multiply .i8 .u":  "int64 -21",
		"multiply 1.5 .f":  "float64 3.75",
		"divide 2 9":       "int64 4",
		"divide 2 -9":      "int64 -4",
		"divide .u8 .u":    "uint64 2",
		"divide 2.0 9":     "float64 4.5",
		"divide 0.0 9":     "float64 +Inf",
		"divide 0 9.5":     "float64 +Inf",
		"divide 0 0.0":     "float64 NaN",
		"divide -1 .mini":  "int64 -9223372036854775808",
		"divide .maxu 7":   "int64 -7",
		"modulo 2 5":       "int64 1",
		"modulo 3 -7":      "int64 -1",
		"modulo .u8 .u":    "uint64 1",
		"modulo .u8 7":     "int64 1",
		"minimum 2 5":      "int64 2",
		"minimum .u 9":     "uint64 7",
		"minimum .f 1":     "int64 1",
		"minimum 1 .f":     "int64 1",
		"minimum 2 .u8":    "int64 2",
		"minimum 7 .u":     "int64 7",  // equal: the first argument
		"minimum .u .i":    "uint64 7", // equal: the first argument
		"minimum .maxu 1":  "uint64 18446744073709551615",
		"maximum .maxu 1":  "int64 1",
		"minimum .maxu .u": "uint64 7",
		"minimum .nan 1":   "float64 NaN",
		"maximum 1 .nan":   "int64 1",
		"maximum 2 5":      "int64 5",
		"maximum .f .u":    "uint64 7",
		"maximum .f32 -1":  "float64 0.5",
		"maximum 'a' 1":    "int64 97",
		"add 1 2 | add .5": "float64 3.5",
	} {
		cases = append(cases, helperCase{text: show(expr), want: want})
	}
	checkHelpers(t, data, cases)
}

func TestMathErrors(t *testing.T) {
	data := map[string]any{"u": uint(0), "i": int64(0), "f": 1.5}
	cases := []helperCase{
		{text: `{{divide 0 1}}`, err: "divide: division by zero"},
		{text: `{{divide .u 1}}`, err: "divide: division by zero"},
		{text: `{{divide .u .u}}`, err: "divide: division by zero"},
		{text: `{{modulo 0 1}}`, err: "modulo: division by zero"},
		{text: `{{modulo .u .u}}`, err: "modulo: division by zero"},
		{text: `{{modulo .i .u}}`, err: "modulo: division by zero"},
		{text: `{{modulo 2 .f}}`, err: "modulo: want integers, got int and float64"},
		{text: `{{modulo .f "x"}}`, err: "modulo: want numbers, got float64 and string"},
	}
	for _, name := range []string{"add", "subtract", "multiply", "divide", "modulo", "minimum", "maximum"} {
		for arg, kind := range map[string]string{`"1"`: "string", `nil`: "<nil>", `true`: "bool", `1i`: "complex128", `(sprig_list)`: "[]interface {}"} {
			cases = append(cases,
				helperCase{text: fmt.Sprintf(`{{%s %s 1}}`, name, arg), err: fmt.Sprintf("%s: want numbers, got %s and int", name, kind)},
				helperCase{text: fmt.Sprintf(`{{%s 1 %s}}`, name, arg), err: fmt.Sprintf("%s: want numbers, got int and %s", name, kind)})
		}
	}
	checkHelpers(t, data, cases)
}

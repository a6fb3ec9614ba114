package funcs

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestLoop(t *testing.T) {
	checkHelpers(t, map[string]any{"n": "3", "u8": uint8(2)}, []helperCase{
		{text: `{{range loop 5}}{{.}}{{end}}`, want: "01234"},
		{text: `{{range $i := loop 5 8}}{{printf "%T" $i}}{{$i}}{{.}} {{end}}`, want: "int6455 int6466 int6477 "},
		{text: `{{range $i, $v := loop 5 7}}{{printf "%T %T" $i $v}} {{$i}}{{$v}} {{end}}`, want: "int int64 05 int int64 16 "},
		{text: `{{range loop 0}}x{{else}}none{{end}}{{range loop -2}}x{{else}}none{{end}}{{range loop 3 1}}x{{else}}none{{end}}`, want: "nonenonenone"},
		{text: `{{range loop .n}}{{.}}{{end}}|{{range loop "1" .u8}}{{.}}{{end}}|{{range loop ""}}x{{end}}|{{range loop (parseUint "2")}}{{.}}{{end}}`, want: "012|1||01"},
		{text: `{{range loop -2 2}}{{.}} {{end}}`, want: "-2 -1 0 1 "},
		{text: `{{range loop 9223372036854775806 9223372036854775807}}{{.}}{{end}}`, want: "9223372036854775806"},
		{text: `{{range loop 5}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 3}}{{break}}{{end}}{{.}}{{end}}`, want: "02"},
		{text: `{{if loop 0}}true{{end}}`, want: "true"},
		{text: `{{index (split "," "a,b,c") 1}}{{range $i := loop 1 3}}{{index (split "," "a,b,c") $i}}{{end}}`, want: "bbc"},
		{text: `{{loop 3}}`, err: "can't print {{loop 3}} of type <-chan int64"},
		{text: `{{loop}}`, err: "loop: want 1 or 2 arguments, got 0"},
		{text: `{{loop 1 2 3}}`, err: "loop: want 1 or 2 arguments, got 3"},
		{text: `{{loop 1.5}}`, err: "loop: want integers, got float64"},
		{text: `{{loop nil 2}}`, err: "loop: want integers, got <nil>"},
		{text: `{{loop "1x"}}`, err: "loop: not an integer (2 bytes)"},
	})
}

// A loop is used up by its first range, however long it is.
func TestLoopIsUsedOnce(t *testing.T) {
	for _, stop := range []string{"5", "2000000"} {
		text := `{{$l := loop STOP}}{{range $l}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}|{{range $l}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}`
		checkHelpers(t, nil, []helperCase{{text: strings.Replace(text, "STOP", stop, 1), want: "01|3"}})
	}
	checkHelpers(t, nil, []helperCase{{text: `{{$l := loop 2}}{{range $l}}{{.}}{{end}}{{range $l}}{{.}}{{else}}none{{end}}`, want: "01none"}})
}

func TestLoopWithoutEnd(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{range loop -9223372036854775808 9223372036854775807}}{{.}}{{break}}{{end}}`, want: "-9223372036854775808"},
		{text: `{{$last := 0}}{{range loop 1048577}}{{$last = .}}{{end}}{{$last}}`, want: "1048576"},
		{text: `{{$last := 0}}{{range $i, $v := loop 1048576}}{{$last = $i}}{{end}}{{$last}}`, want: "1048575"},
	})
}

// consul-template leaves a goroutine behind for each range that stops early. A
// goroutine that stays makes synctest fail.
func TestLoopLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checkHelpers(t, nil, []helperCase{
			{text: `{{range loop 100}}{{break}}{{end}}{{range loop 2000000}}{{break}}{{end}}{{$unused := loop 7}}`},
			{text: `{{range loop 100}}{{template "missing"}}{{end}}`, err: `template "missing" not defined`},
		})
	})
}

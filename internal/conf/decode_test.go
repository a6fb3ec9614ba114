package conf

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type settings struct {
	Level  string        `conf:"level"`
	Once   bool          `conf:"once"`
	Max    time.Duration `conf:"max"`
	Server server        `conf:"server"`
	Items  []struct {
		Source string  `conf:"source"`
		Server *server `conf:"server"`
	} `conf:"item"`
	Deny []string          `conf:"denylist,blacklist"`
	Meta map[string]string `conf:"meta"`
}

type server struct {
	Address string `conf:"address"`
	Token   string `conf:"token"`
	Retry   struct {
		Attempts int    `conf:"attempts"`
		Backoff  string `conf:"backoff"`
	} `conf:"retry"`
}

// What these give was measured with config.Parse of consul-template v0.41.1, on
// the keys of its own that are alike, where no comment says that it is beyond it.
func TestDecodedAsInConsulTemplate(t *testing.T) {
	for src, want := range map[string]string{
		// Of blocks with one name in one file the last one alone holds.
		`server { address = "a" retry { attempts = 3 } } server { token = "b" }`: `{"server":{"token":"b"}}`,
		`server { retry { attempts = 3 } retry { backoff = "1s" } }`:             `{"server":{"retry":{"backoff":"1s"}}}`,
		`item { source = "a" server { token = "b" } server { address = "c" } }`:  `{"item":[{"source":"a","server":{"address":"c"}}]}`,
		`{"server": [{"address": "a"}, {"token": "b"}]}`:                         `{"server":{"token":"b"}}`,
		`{"server": {"address": "a"}, "server": {"token": "b"}}`:                 `{"server":{"token":"b"}}`,
		`level = "a" level = "b"`:                                                `{"level":"b"}`,
		// Of lists, and of what there are many of, all.
		`denylist = ["a"] denylist = ["b"]`:                                 `{"denylist":["a","b"]}`,
		`denylist = ["a"] blacklist = ["b"]`:                                `{"denylist":["a","b"]}`,
		`item = [{ source = "a" }, { source = "b" }] item { source = "c" }`: `{"item":[{"source":"a"},{"source":"b"},{"source":"c"}]}`,
		`item = { source = "a" } item = { source = "b" }`:                   `{"item":[{"source":"a"},{"source":"b"}]}`,
		`item {} item = {} item = [{}]`:                                     `{"item":[{},{},{}]}`,
		`server = {} item = []`:                                             `{}`,
		`"item" { source = "a" } "server" = { "address" = "b" }`:            `{"item":[{"source":"a"}],"server":{"address":"b"}}`,
		// Names in any case; of blocks this is beyond it.
		`Item { SOURCE = "a" } Level = "b" leveL = "c"`: `{"item":[{"source":"a"}],"level":"c"}`,
		`SERVER { Retry { attempts = 1 } }`:             `{"server":{"retry":{"attempts":1}}}`,
		// One value for a list.
		`denylist = "a,b"`:      `{"denylist":["a,b"]}`,
		`server { retry = {} }`: `{}`,
		// Numbers.
		`server { retry { attempts = 0x1F } }`: `{"server":{"retry":{"attempts":31}}}`,
		`server { retry { attempts = 010 } }`:  `{"server":{"retry":{"attempts":8}}}`,
		`server { retry { attempts = 1e3 } }`:  `{"server":{"retry":{"attempts":1000}}}`,
		`server { retry { attempts = 5.0 } }`:  `{"server":{"retry":{"attempts":5}}}`,
		`server { retry { attempts = -1 } }`:   `{"server":{"retry":{"attempts":-1}}}`,
		// Beyond it: strings for numbers and truth values, and the other way around.
		`server { retry { attempts = "010" } }`: `{"server":{"retry":{"attempts":10}}}`,
		`once = "true"`:                         `{"once":true}`,
		`once = 1`:                              `{"once":true}`,
		`once = "1" level = 0644`:               `{"once":true,"level":"0644"}`,
		`level = true`:                          `{"level":"true"}`,
		// Several blocks of what has no fixed keys.
		`meta { a = 1 } meta { b = 2 a = 3 }`: `{"meta":{"a":"3","b":"2"}}`,
	} {
		var got, expected settings
		if err := decodeInto(&got, src); err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if err := decodeInto(&expected, want); err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s\n(-want +got)\n%s", src, diff)
		}
	}
}

func decodeInto(dst *settings, src string) error {
	v, err := Parse("a.hcl", []byte(src))
	if err != nil {
		return err
	}
	return (&Decoder{}).Decode(v, dst, "")
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"5s"`: 5 * time.Second, `"1m30s"`: 90 * time.Second, `"0"`: 0, `0`: 0, `"100ms"`: 100 * time.Millisecond,
		// A number is of seconds: consul-template takes it for nanoseconds, which nobody means.
		`5`: 5 * time.Second, `1.5`: 1500 * time.Millisecond, `"5"`: 5 * time.Second, `0x10`: 16 * time.Second, `1e1`: 10 * time.Second,
	} {
		var s settings
		if err := decodeInto(&s, "max = "+text); err != nil || s.Max != want {
			t.Errorf("%s: got %s, %v", text, s.Max, err)
		}
	}
	for text, want := range map[string]string{
		`5000000000`: `a.hcl:1:7: max: "5000000000" has no unit, and is too much for seconds: want a duration such as "5s"`,
		`"NaN"`:      `is not a duration such as "5s"`,
		`1e30`:       `too much for seconds`,
		`-1`:         `is negative`,
		`["5s"]`:     `want a duration such as "5s", got a list`,
	} {
		var s settings
		if err := decodeInto(&s, "max = "+text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestWrongShapes(t *testing.T) {
	for src, want := range map[string]string{
		`server = "addr"`:                      "a.hcl:1:10: server: want a block, got a string",
		`server = 5`:                           "a.hcl:1:10: server: want a block, got a number",
		`server = ["a"]`:                       "a.hcl:1:11: server: want a block, got a string",
		`server { retry = "x" }`:               "a.hcl:1:18: server.retry: want a block, got a string",
		`item = "a"`:                           "a.hcl:1:8: item: want a block, got a string",
		`level = ["a"]`:                        "a.hcl:1:9: level: want a string, got a list",
		`level { a = 1 }`:                      "a.hcl:1:7: level: want a string, got a block",
		`denylist = [["a"]]`:                   "a.hcl:1:13: denylist: want a string, got a list",
		`denylist { a = 1 }`:                   "a.hcl:1:10: denylist: want a string, got a block",
		`{"denylist": [null]}`:                 "a.hcl:1:15: denylist: want a string, got null",
		`meta = 5`:                             "a.hcl:1:8: meta: want a block, got a number",
		`once = "yes"`:                         "a.hcl:1:8: once: want true or false, got a string",
		`server { retry { attempts = 1.5 } }`:  "a.hcl:1:29: server.retry.attempts: want a whole number, got a number",
		`server { retry { attempts = 1e30 } }`: "want a whole number",
		`server = "a" server { token = "b" }`:  "a.hcl:1:14: server: is set twice, as a block and, at a.hcl:1:1, as a string: leave one out",
		`denylist = "a" blacklist = ["b"]`:     "a.hcl:1:16: denylist: is set twice, as a list and, at a.hcl:1:1, as a string: leave one out",
		`server "x" { token = "b" }`:           `a.hcl:1:8: "server" takes no label`,
		`server x y { token = "b" }`:           `a.hcl:1:8: "server" takes no label`,
		`meta "x" { a = 1 }`:                   `a.hcl:1:6: "meta" takes no label`,
		`srver "x" { token = "b" }`:            `a.hcl:1:1: unknown key "srver": did you mean "server"?`,
		`item { Sourse = "a" }`:                `a.hcl:1:8: unknown key "Sourse" in item: did you mean "source"?`,
	} {
		var s settings
		if err := decodeInto(&s, src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestEarlierBlocksAreCheckedTooAndLeaveNothing(t *testing.T) {
	var s settings
	if err := decodeInto(&s, `server { address = "default" }`); err != nil {
		t.Fatal(err)
	}
	// Of another file, so it goes over what is there, but for its own first block.
	if err := decodeInto(&s, `server { address = "a" } server { token = "b" }`); err != nil || s.Server.Address != "default" || s.Server.Token != "b" {
		t.Errorf("got %+v, %v", s.Server, err)
	}
	err := decodeInto(&s, "server { tokn = 1 }\nserver { adress = 2 }\nlevel = []")
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three errors", err)
	}
}

func TestExplainIsAskedInLowerCase(t *testing.T) {
	v, err := Parse("a.hcl", []byte(`Server { VAULT = 1 }`))
	if err != nil {
		t.Fatal(err)
	}
	var asked string
	d := &Decoder{Explain: func(path, name string, _ Value) error { asked = path + "." + name; return nil }}
	if err := d.Decode(v, &settings{}, ""); err != nil || asked != "server.vault" {
		t.Errorf("asked for %q, %v", asked, err)
	}
}

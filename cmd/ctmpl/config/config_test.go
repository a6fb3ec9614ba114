package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, text string, settings ...Setting) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.hcl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load([]string{path}, settings)
}

func TestDefaults(t *testing.T) {
	t.Setenv("CT_LOG", "")
	c, err := Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Consul.Retry
	if c.MaxStale != 2*time.Second || c.BlockQueryWait != time.Minute || c.LogLevel.Name != "INFO" ||
		!r.Enabled || r.Attempts != 0 || r.Backoff != 250*time.Millisecond || r.MaxBackoff != time.Minute {
		t.Errorf("got %+v", c)
	}
}

func TestFlagsWinOverFilesAndThoseOverTheEnvironment(t *testing.T) {
	t.Setenv("CT_LOG", "trace")
	t.Setenv("CONSUL_TOKEN", "from the environment")
	t.Setenv("CONSUL_HTTP_TOKEN", "")
	c, err := load(t, "consul { address = \"file\" }\nmax_stale = 3")
	if err != nil || c.LogLevel.Level != LevelTrace || c.Consul.Token != "from the environment" || c.Consul.Address != "file" || c.MaxStale != 3*time.Second {
		t.Errorf("got %+v, %v", c, err)
	}
	c, err = load(t, "log_level = \"warn\"\nconsul { address = \"file\" token = \"file\" }", Setting{"consul-addr", "consul.address", "flag"}, Setting{"wait", "wait", "1s"})
	if err != nil || c.LogLevel.Name != "WARN" || c.Consul.Token != "file" || c.Consul.Address != "flag" || c.Wait.Min != time.Second {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLimits(t *testing.T) {
	c, err := load(t, "limits { requests_per_second = 50 }")
	if err != nil || c.Limits.Connections != 160 || c.Limits.RequestsPerSecond != 50 {
		t.Errorf("got %+v, %v", c, err)
	}
	c, err = load(t, "limits { connections = 20 output_bytes = 5 }")
	if err != nil || c.Limits.Connections != 20 || c.Limits.RequestsPerSecond != 0 || c.Limits.OutputBytes != 5 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, text := range []string{"connections = 0", "connections = -1", "requests_per_second = -1", "conections = 1"} {
		if _, err := load(t, "limits { "+text+" }"); err == nil || !strings.Contains(err.Error(), "test.hcl:1") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestTemplateArgument(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ arg, source, destination, command string }{
		{"in", "in", "", ""},
		{"in:out", "in", "out", ""},
		{"in:out:cmd", "in", "out", "cmd"},
		{"in:out:cmd http://a:80/ 'b:c'", "in", "out", "cmd http://a:80/ 'b:c'"},
		{"in::cmd", "in", "", "cmd"},
		{`C:\in:D:/out:cmd`, `C:\in`, "D:/out", "cmd"},
		{"a:b:c", "a", "b", "c"},
		{"/in:/out:", "/in", "/out", ""},
	} {
		got, err := ParseTemplate(tc.arg)
		if err != nil || got.Source != tc.source || got.Destination != tc.destination || strings.Join(got.Command, " ") != tc.command {
			t.Errorf("%s: got %q, %q, %q, %v", tc.arg, got.Source, got.Destination, got.Command, err)
		}
	}
	for _, arg := range []string{"", "  ", ":out", ":"} {
		if _, err := ParseTemplate(arg); err == nil {
			t.Errorf("%q: no error", arg)
		}
	}
}

func TestPerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Mode{"0600": 0o600, `"0600"`: 0o600, `"644"`: 0o644, "420": 0o644, "755": 0o363, `"2755"`: 0o2755, "0": 0} {
		c, err := load(t, `template { contents = "" destination = "x" perms = `+text+" }")
		if err != nil || c.Templates[0].Perms != want {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"-1", `"rw"`, "0999", "[1]", "077777"} {
		if _, err := load(t, `template { contents = "" destination = "x" perms = `+text+" }"); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestFileMode(t *testing.T) {
	t.Parallel()
	if got := Mode(0o4755).FileMode(); got != fs.ModeSetuid|0o755 {
		t.Errorf("got %v", got)
	}
}

func TestWaitForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]time.Duration{
		`wait = "2s"`:                               {2 * time.Second, 8 * time.Second},
		`wait = "2s:5s"`:                            {2 * time.Second, 5 * time.Second},
		`wait { min = "2s" }`:                       {2 * time.Second, 8 * time.Second},
		`wait { min = "2s" max = "5s" }`:            {2 * time.Second, 5 * time.Second},
		`wait = { min = 2, max = 5 }`:               {2 * time.Second, 5 * time.Second},
		`wait { enabled = false min = 2 max = 5 }`:  {},
		`wait { enabled = true, min = 2, max = 5 }`: {2 * time.Second, 5 * time.Second},
		``: {},
	} {
		c, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if shortest, longest := c.Wait.Bounds(); shortest != want[0] || longest != want[1] {
			t.Errorf("%s: got %s and %s", text, shortest, longest)
		}
	}
	for _, text := range []string{`wait = "x"`, `wait = "5s:2s"`, `wait { min = 5 max = 2 }`, `wait { mni = 5 }`, `wait = "1:2:3"`} {
		if _, err := load(t, text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestCommandForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`command = "nginx -s reload"`:                                     "nginx -s reload",
		`command = ["nginx", "-s", "reload"]`:                             "nginx|-s|reload",
		`exec { command = "a b" timeout = "5s" }`:                         "a b",
		`exec { command = ["a", "b"] enabled = true }`:                    "a|b",
		`exec { command = "a" enabled = false }`:                          "",
		"command = <<EOT\necho ${HOME}\nEOT\n":                            "echo ${HOME}\n",
		`command = "bash -c 'echo ${FOO:-x} $${y} %{z}'"`:                 "bash -c 'echo ${FOO:-x} $${y} %{z}'",
		`command = ["sh", "-c", "nginx -t && kill -HUP $(cat /run/pid)"]`: "sh|-c|nginx -t && kill -HUP $(cat /run/pid)",
	} {
		c, err := load(t, "template {\n contents = \"\"\n destination = \"x\"\n "+text+"\n}")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if args, _ := c.Templates[0].Run(); strings.Join(args, "|") != want {
			t.Errorf("%s: got %q", text, args)
		}
	}
}

// What the parts are, together they are the argument, and none is lost.
func FuzzTemplateArgument(f *testing.F) {
	for _, seed := range []string{"in", "in:out", "in:out:cmd a:b", "in::cmd", `C:\in:D:/out:cmd`, "a:b:c", "/in:/out:", ":", "", " ", "é:ü", "c:/x", "1:/x:y", "\xff:\xfe", "a:\n:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		got, err := ParseTemplate(arg)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %q", arg, err)
			}
			return
		}
		if got.Source == "" {
			t.Errorf("%q: no source", arg)
		}
		whole := strings.TrimRight(strings.Join(append([]string{got.Source, got.Destination}, got.Command...), ":"), ":")
		if whole != strings.TrimRight(arg, ":") {
			t.Errorf("%q was taken apart into %q, %q and %q", arg, got.Source, got.Destination, got.Command)
		}
	})
}

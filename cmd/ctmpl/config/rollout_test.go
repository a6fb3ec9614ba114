package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// files loads several files, in the order in which they are given.
func files(t *testing.T, texts ...string) (*Config, error) {
	t.Helper()
	var paths []string
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".hcl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return Load(paths, nil)
}

func mustLoad(t *testing.T, texts ...string) *Config {
	t.Helper()
	c, err := files(t, texts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// one is a template with what else is said of it.
func one(more string) string {
	return "\ntemplate {\ncontents = \"\"\ndestination = \"x\"\n" + more + "\n}\n"
}

func TestRolloutDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, one(""))
	tmpl := &c.Templates[0]
	if g := c.GuardOf(tmpl); g.Enabled {
		t.Errorf("a guard is on: %+v", g)
	}
	if got, want := c.NginxOf(tmpl), (Nginx{CheckTimeout: 30 * time.Second, ReloadTimeout: 30 * time.Second, MaxDraining: 8, CheckMethod: CheckAuto}); got != want {
		t.Errorf("got %+v", got)
	}
	if got := c.LimitsOf(tmpl); got != (ReloadLimits{On: ReloadOnChange}) {
		t.Errorf("got %+v", got)
	}
	name, g := c.GroupOf(tmpl)
	if c.DriftOf(tmpl) != DriftOverwrite || c.ProgramOf(tmpl) != "" || name != "" || g != nil || c.History != 3 || c.ApproveSignal != NoSignal || tmpl.Format != "" {
		t.Errorf("got %+v", c)
	}
	check, limit := tmpl.Checking()
	verify, verifyLimit := tmpl.Verifying()
	if check != nil || verify != nil || limit != 30*time.Second || verifyLimit != limit {
		t.Errorf("got %q, %s, %q, %s", check, limit, verify, verifyLimit)
	}
	g0 := c.GuardOf(&mustLoad(t, one("guard {}")).Templates[0])
	want := Guard{Enabled: true, MinInstances: 1, MaxShrink: 0.5, Window: time.Minute, Hold: Hold(10 * time.Minute)}
	if !reflect.DeepEqual(g0, want) {
		t.Errorf("got %+v", g0)
	}
}

// allKeys says all that can be said of rollouts, in HCL and in JSON.
var allKeys = []string{`
state_dir = "/s"
history = 5
approve_signal = "SIGUSR2"
nginx { binary = "/b" config = "/c" prefix = "/p" pid_file = "/i" check_timeout = "1s" reload_timeout = 2 max_draining = -1 check_method = "tree" version_url = "unix:/s.sock:/v" }
guard {
  min_instances = 2 max_shrink = "30%" max_change_lines = 7 window = "2m" hold = "never" allow_empty = true
  service "web" { min_instances = 4 max_shrink = 0.1 }
  service "*b" { min_instances = 0 }
}
on_drift = "keep"
min_reload_interval = "5s"
max_reloads_per_minute = 6
reload_on = "semantic"
urgent = "removals"
group "edge" {
  check = ["t", "{{ .Staged }}"] check_timeout = "3s" verify = "v {{ .Destination }}" verify_timeout = "4s" command = "r" command_timeout = "5s"
}
template { contents = "" destination = "x" group = "edge" format = "nginx" }
`, `{
"state_dir": "/s", "history": 5, "approve_signal": "SIGUSR2",
"nginx": {"binary": "/b", "config": "/c", "prefix": "/p", "pid_file": "/i", "check_timeout": "1s", "reload_timeout": 2, "max_draining": -1, "check_method": "tree", "version_url": "unix:/s.sock:/v"},
"guard": {"min_instances": 2, "max_shrink": "30%", "max_change_lines": 7, "window": "2m", "hold": "never", "allow_empty": true,
  "service": {"web": {"min_instances": 4, "max_shrink": 0.1}, "*b": {"min_instances": 0}}},
"on_drift": "keep", "min_reload_interval": "5s", "max_reloads_per_minute": 6, "reload_on": "semantic", "urgent": "removals",
"group": {"edge": {"check": ["t", "{{ .Staged }}"], "check_timeout": "3s", "verify": "v {{ .Destination }}", "verify_timeout": "4s", "command": "r", "command_timeout": "5s"}},
"template": {"contents": "", "destination": "x", "group": "edge", "format": "nginx"}
}`}

func TestEveryKeyOfRollouts(t *testing.T) {
	t.Parallel()
	for _, text := range allKeys {
		c := mustLoad(t, text)
		tmpl := &c.Templates[0]
		if c.StatePath() != "/s" || c.History != 5 || c.ApproveSignal != Signal(syscall.SIGUSR2) || tmpl.Format != FormatNginx || c.DriftOf(tmpl) != DriftKeep {
			t.Errorf("got %+v", c)
		}
		if got := c.NginxOf(tmpl); got != (Nginx{"/b", "/c", "/p", "/i", time.Second, 2 * time.Second, -1, CheckTree, "unix:/s.sock:/v"}) {
			t.Errorf("got %+v", got)
		}
		if got := c.LimitsOf(tmpl); got != (ReloadLimits{5 * time.Second, 6, ReloadOnSemantic, UrgentRemovals}) {
			t.Errorf("got %+v", got)
		}
		g := c.GuardOf(tmpl)
		if !g.Enabled || g.MinInstances != 2 || g.MaxShrink != 0.3 || g.MaxChangeLines != 7 || g.Window != 2*time.Minute || g.Hold != Never || !g.AllowEmpty || len(g.Services) != 2 {
			t.Errorf("got %+v", g)
		}
		name, group := c.GroupOf(tmpl)
		check, checkLimit := group.Checking()
		verify, verifyLimit := group.Verifying()
		command, limit := c.RunOf(tmpl)
		if name != "edge" || strings.Join(check, "|") != "t|{{ .Staged }}" || checkLimit != 3*time.Second ||
			strings.Join(verify, "|") != "v {{ .Destination }}" || verifyLimit != 4*time.Second || strings.Join(command, "|") != "r" || limit != 5*time.Second {
			t.Errorf("got %q, %+v", name, group)
		}
	}
}

// Each key counts as it is said at the innermost level.
func TestInnerLevelsWin(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
guard { min_instances = 2 max_shrink = "20%" hold = "1h" service "web" { min_instances = 5 } service "db" { min_instances = 6 } }
nginx { binary = "/top" prefix = "/top" max_draining = 1 }
on_drift = "keep" min_reload_interval = "1s" max_reloads_per_minute = 1 reload_on = "semantic" urgent = "removals"
group "edge" {
  guard { max_shrink = "30%" hold = "2h" service "web" { max_shrink = "60%" } }
  nginx { binary = "/group" }
  on_drift = "refuse" min_reload_interval = 0
}
`+one(`group = "edge" guard { hold = "never" } reload_on = "change" urgent = ""`)+
		one(`guard { enabled = false min_instances = 9 } nginx { prefix = "" } on_drift = "overwrite" max_reloads_per_minute = 0`)+
		one(`reload = "nginx"`), "guard { window = 5 }\nnginx { max_draining = 2 }")
	inGroup, own, plain := &c.Templates[0], &c.Templates[1], &c.Templates[2]

	g := c.GuardOf(inGroup)
	if !g.Enabled || g.MinInstances != 2 || g.MaxShrink != 0.3 || g.Hold != Never || g.Window != 5*time.Second {
		t.Errorf("got %+v", g)
	}
	if web, db := g.Services["web"], g.Services["db"]; *web.MinInstances != 5 || *web.MaxShrink != 0.6 || *db.MinInstances != 6 || db.MaxShrink != nil {
		t.Errorf("got %+v", g.Services)
	}
	if n := c.NginxOf(inGroup); n.Binary != "/group" || n.Prefix != "/top" || n.MaxDraining != 2 || c.ProgramOf(inGroup) != ProgramNginx || inGroup.Program() != "" {
		t.Errorf("got %+v", n)
	}
	if l := c.LimitsOf(inGroup); l != (ReloadLimits{0, 1, ReloadOnChange, ""}) || c.DriftOf(inGroup) != DriftRefuse {
		t.Errorf("got %+v", l)
	}

	if g := c.GuardOf(own); g.Enabled || g.MinInstances != 9 || g.Hold != Hold(time.Hour) {
		t.Errorf("got %+v", g)
	}
	if n := c.NginxOf(own); n.Binary != "/top" || n.Prefix != "" || c.ProgramOf(own) != ProgramNginx || c.DriftOf(own) != DriftOverwrite {
		t.Errorf("got %+v", n)
	}
	if l := c.LimitsOf(own); l != (ReloadLimits{time.Second, 0, ReloadOnSemantic, UrgentRemovals}) {
		t.Errorf("got %+v", l)
	}
	if g := c.GuardOf(plain); !g.Enabled || c.ProgramOf(plain) != ProgramNginx || len(g.Services) != 2 || g.Services["web"].MaxShrink != nil {
		t.Errorf("got %+v", g)
	}
	if again := c.GuardOf(inGroup); !reflect.DeepEqual(g, again) {
		t.Errorf("asking has changed it: %+v", again)
	}
}

// A block that switches itself off at one level can be switched on within it.
func TestGuardsAreSwitchedOnAndOff(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		top, own string
		on       bool
	}{
		{"", "", false},
		{"guard {}", "", true},
		{"", "guard {}", true},
		{"", "guard = []", false},
		{"guard { enabled = false }", "", false},
		{"guard { enabled = false }", "guard {}", false},
		{"guard { enabled = false }", "guard { enabled = true }", true},
		{"guard {}", "guard { enabled = false }", false},
	} {
		c := mustLoad(t, tc.top+one(tc.own))
		if got := c.GuardOf(&c.Templates[0]).Enabled; got != tc.on {
			t.Errorf("%s, %s: got %t", tc.top, tc.own, got)
		}
	}
}

func TestStatePath(t *testing.T) {
	for _, name := range []string{"STATE_DIRECTORY", "XDG_STATE_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", "/home/u")
	check := func(want string, root bool) {
		t.Helper()
		if got := defaultState(root); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check("/var/lib/ctmpl", true)
	check("/home/u/.local/state/ctmpl", false)
	t.Setenv("XDG_STATE_HOME", "relative")
	check("/home/u/.local/state/ctmpl", false)
	t.Setenv("XDG_STATE_HOME", "/x")
	check("/x/ctmpl", false)
	check("/var/lib/ctmpl", true)
	t.Setenv("STATE_DIRECTORY", "/one:/two")
	check("/one", false)
	check("/one", true)
	for said, want := range map[string]string{"": "/one", "none": "", "/d": "/d"} {
		if got := mustLoad(t, `state_dir = "`+said+`"`).StatePath(); got != want {
			t.Errorf("%q: got %q", said, got)
		}
	}
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	check("", false)
}

// What the page for users shows can be read, and the values that it gives as defaults
// are those.
func TestDocumentedRollouts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "```hcl\nstate_dir")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("the page has no such text")
	}
	c, plain := mustLoad(t, "state_dir"+text), mustLoad(t, one("guard {}"))
	tmpl, want := &c.Templates[0], &plain.Templates[0]
	got := c.GuardOf(tmpl)
	got.Services = nil
	if !reflect.DeepEqual(got, plain.GuardOf(want)) || c.NginxOf(tmpl) != plain.NginxOf(want) || c.LimitsOf(tmpl) != plain.LimitsOf(want) ||
		c.DriftOf(tmpl) != plain.DriftOf(want) || c.History != plain.History || c.ApproveSignal != plain.ApproveSignal || c.StateDir != plain.StateDir {
		t.Errorf("got %+v", c)
	}
	if name, _ := c.GroupOf(tmpl); name != "edge" || c.ProgramOf(tmpl) != ProgramNginx || c.GuardOf(&c.Templates[1]).Enabled {
		t.Errorf("got %+v", c)
	}
}

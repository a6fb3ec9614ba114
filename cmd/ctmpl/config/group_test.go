package config

import (
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// In consul-template group is the owner of the file, and so it is here, unless there is
// a block of that name, in whatever file.
func TestGroupHasTwoMeanings(t *testing.T) {
	t.Parallel()
	mine, err := user.LookupGroupId("0")
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, one(`group = "edge" gid = 7`)+one(`group = "`+mine.Name+`"`)+one(`group = "12345"`)+one(""), `group "edge" {}`)
	for i, want := range []struct {
		name string
		gid  int
	}{{"edge", 7}, {"", 0}, {"", 12345}, {"", -1}} {
		tmpl := c.Templates[i]
		name, g := c.GroupOf(&tmpl)
		_, gid, err := tmpl.Owner()
		if err != nil || name != want.name || (g != nil) != (name != "") || gid != want.gid {
			t.Errorf("template %d: got %q, %v, group %d, %v", i, name, g, gid, err)
		}
	}
	// A block of a name that the system has, too.
	c = mustLoad(t, one(`group = "`+mine.Name+`"`)+`group "`+mine.Name+`" {}`+one(`group = "7"`)+`group "7" {}`)
	for i := range c.Templates {
		name, g := c.GroupOf(&c.Templates[i])
		if _, gid, err := c.Templates[i].Owner(); err != nil || g == nil || name == "" || gid != -1 {
			t.Errorf("template %d: got %q, %v, group %d, %v", i, name, g, gid, err)
		}
	}
}

// A group that several files tell of is one.
func TestGroupsMerge(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `group "edge" { command = "a" check = "c" guard { min_instances = 3 } }`+one(`group = "edge"`), `group "edge" { command = "b" guard { max_shrink = 1 } }`)
	args, _ := c.RunOf(&c.Templates[0])
	g := c.GuardOf(&c.Templates[0])
	check := c.Groups["edge"].Check
	if strings.Join(args, "") != "b" || g.MinInstances != 3 || g.MaxShrink != 1 || len(check) != 1 {
		t.Errorf("got %q, %+v, %q", args, g, check)
	}
}

// Each error is one line with its place, where ^ is in the text.
func TestBadRollouts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// Numbers, durations, shares, words.
		`history = ^0`:               "history: want 1 or more",
		`history = ^"x"`:             "history: want a whole number, got a string",
		`max_reloads_per_minute=^-1`: "max_reloads_per_minute: want 0 or more",
		`min_reload_interval = ^"x"`: `min_reload_interval: "x" is not a duration such as "5s"`,
		`min_reload_interval = ^-5`:  `min_reload_interval: "-5" is negative: want a duration of zero or more`,
		`reload_on = ^"x"`:           `reload_on: "x" is unknown: want "change" or "semantic"`,
		`urgent = ^"x"`:              `urgent: "x" is unknown: want "removals"`,
		`on_drift = ^"x"`:            `on_drift: "x" is unknown: want "overwrite", "keep" or "refuse"`,
		`on_drift = ^["keep"]`:       "on_drift: want a string, got a list",
		`approve_signal = ^"SIGUSR"`: `approve_signal: unknown signal "SIGUSR": did you mean "SIGUSR1"?`,
		`state_dir = ^["a"]`:         "state_dir: want a string, got a list",
		// Guards.
		`guard { max_shrink = ^"0%" }`:     `guard.max_shrink: want a share of more than 0 and up to 1, such as "50%" or 0.5`,
		`guard { max_shrink = ^50 }`:       "guard.max_shrink: want a share of more than 0 and up to 1",
		`guard { max_shrink = ^"101%" }`:   "guard.max_shrink: want a share of more than 0 and up to 1",
		`guard { max_shrink = ^-0.5 }`:     "guard.max_shrink: want a share of more than 0 and up to 1",
		`guard { max_shrink = ^"NaN" }`:    "guard.max_shrink: want a share of more than 0 and up to 1",
		`guard { max_shrink = ^"half" }`:   "guard.max_shrink: want a share of more than 0 and up to 1",
		`guard { min_instances = ^-1 }`:    "guard.min_instances: want 0 or more",
		`guard { max_change_lines = ^-1 }`: "guard.max_change_lines: want 0 or more",
		`guard { window = ^"-1s" }`:        `guard.window: "-1s" is negative: want a duration of zero or more`,
		`guard { hold = ^"ever" }`:         `guard.hold: "ever" is not a duration such as "5s", or "never"`,
		`guard { hold = ^"-5s" }`:          `guard.hold: "-5s" is negative: want a duration of zero or more, or "never"`,
		`guard { allow_empty = ^"maybe" }`: "guard.allow_empty: want true or false, got a string",
		`guard { ^min_instance = 1 }`:      `unknown key "min_instance" in guard: did you mean "min_instances"?`,
		`guard ^"web" { }`:                 `"guard" takes no label`,
		`guard = ^true`:                    "guard: want a block, got a truth value",
		// Of services.
		`guard { service "web" { ^max_shrik = 1 } }`:                       `unknown key "max_shrik" in guard.service.web: did you mean "max_shrink"?`,
		`guard { service "web" { min_instances = ^-1 } }`:                  "guard.service.web.min_instances: want 0 or more",
		`guard { service "web" { max_shrink = ^2 } }`:                      "guard.service.web.max_shrink: want a share of more than 0",
		`guard { service { ^min_instances = 1 } }`:                         `guard.service: want blocks with a name each: service "name" { … }`,
		`guard { service "web" {} service ^"web" {} }`:                     "guard.service.web: comes twice, for the first time at ",
		one(`group = "e"`) + `group "e" { guard { min_instances = ^-1 } }`: "guard.min_instances: want 0 or more",
		// nginx.
		`nginx { binary = ^"nginx" }`:               `nginx.binary: "nginx" is not absolute: want a path that begins with /`,
		`nginx { pid_file = ^"run/nginx.pid" }`:     `nginx.pid_file: "run/nginx.pid" is not absolute: want a path that begins with /`,
		`nginx { check_method = ^"copy" }`:          `nginx.check_method: "copy" is unknown: want "auto", "overlay", "tree" or "live"`,
		`nginx { max_draining = ^-2 }`:              "nginx.max_draining: want -1 or more",
		`nginx { version_url = ^"https://a/v" }`:    "nginx.version_url: want http://host:port/path or unix:/path.sock:/uri",
		`nginx { version_url = ^"unix:/a.sock" }`:   "nginx.version_url: want http://host:port/path or unix:/path.sock:/uri",
		`nginx { version_url = ^"unix:a.sock:/v" }`: "nginx.version_url: want http://host:port/path or unix:/path.sock:/uri",
		`nginx { version_url = ^"http://" }`:        "nginx.version_url: want http://host:port/path or unix:/path.sock:/uri",
		`nginx { ^pidfile = "/x" }`:                 `unknown key "pidfile" in nginx: did you mean "pid_file"?`,
		`nginx { reload_timeout = ^"x" }`:           `nginx.reload_timeout: "x" is not a duration such as "5s"`,
		// Groups.
		`group "edge" ^{ }`:           `group "edge": no template is in it: say group = "edge" in one, or leave the block out`,
		`group ^"" { }`:               "group: the name is empty",
		`group = ^"edge"`:             "group: want a block, got a string",
		`group { ^command = "x" }`:    `group: want blocks with a name each: group "name" { … }`,
		`group "a" {} group ^"a" {}`:  "group.a: comes twice, for the first time at ",
		`group "a" { ^comand = "x" }`: `unknown key "comand" in group.a: did you mean "command"?`,
		`group "a" { ^format = "x" }`: `unknown key "format" in group.a`,
		`group "a" ^{ command = "x" reload = "nginx" }` + one(`group = "a"`): `group "a": has both a command and reload = "nginx": give one of them`,
		`group "a" ^{ command = "x" nginx {} }` + one(`group = "a"`):         `group "a": has both a command and a block nginx, which means reload = "nginx": give one of them`,
		`group "a" { reload = ^"apache" }`:                                   `group.a.reload: ctmpl cannot reload "apache" itself: the only program that it knows is "nginx"; for others say command = "…"`,
		// Templates.
		"template ^{ contents = \"\" group = \"no such\" }":                                       `template: group "no such": there is neither a block group of this name nor a group of the system`,
		"template ^{ contents = \"\" group = \"edg\" }" + one(`group="edge"`) + `group "edge" {}`: `template: group "edg": there is neither a block group of this name nor a group of the system: did you mean "edge"?`,
		"template ^{ contents = \"\" command = \"x\" reload = \"nginx\" }":                        `template: has both a command and reload = "nginx": give one of them`,
		"template ^{ contents = \"\" exec { command = \"x\" } reload = \"nginx\" }":               `template: has both a command and reload = "nginx": give one of them`,
		"template ^{ contents = \"\" command = \"x\" nginx {} }":                                  `template: has both a command and a block nginx, which means reload = "nginx": give one of them`,
		"template { reload = ^\"haproxy\" }":                                                      `template.reload: ctmpl cannot reload "haproxy" itself: the only program that it knows is "nginx"; for others say command = "…"`,
		"template { format = ^\"json\" }":                                                         `template.format: "json" is unknown: want "nginx"`,
		"template { check_timeout = ^\"x\" }":                                                     `template.check_timeout: "x" is not a duration such as "5s"`,
		"template { ^verfy = \"x\" }":                                                             `unknown key "verfy" in template: did you mean "verify"?`,
		"template ^{ contents = \"\" group = \"e\" command = \"x\" } group \"e\" {}":              `template: is in the group "e", which is rolled out as one: move command to the block of the group`,
		"template ^{ contents = \"\" group = \"e\" nginx {} } group \"e\" {}":                     `template: is in the group "e", which is rolled out as one: move nginx to the block of the group`,
		"template ^{ contents = \"\" group = \"e\" reload = \"nginx\" } group \"e\" {}":           `template: is in the group "e", which is rolled out as one: move reload to the block of the group`,
		"template ^{ contents = \"\" group = \"e\" min_reload_interval = 1 } group \"e\" {}":      `template: is in the group "e", which is rolled out as one: move min_reload_interval to the block of the group`,
	} {
		expectAt(t, text, want)
	}
}

// What can be said to a check.
func TestProbes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`check = "nginx -t -c {{ .Staged }}"`, `check = ["cmp", "{{.Staged}}", "{{.Destination}}"]`, `verify = ""`, `check = "x {{ range .Files }}{{ .Staged }} {{ .Destination }}{{ end }}"`,
		`check = "{{ range $i, $f := .Files }}{{ if $i }},{{ end }}{{ $f.Staged | printf \"%q\" }}{{ end }}"`, "check = <<EOT\nx {{ .Staged }}\nEOT\n",
	} {
		mustLoad(t, one(text))
	}
	const known = ": known are {{ .Staged }}, {{ .Destination }} and {{ range .Files }}"
	for text, want := range map[string]string{
		`template { check = ^"x {{ .Stagd }}" }`:                         "template.check: cannot read its actions: there is no .Stagd" + known,
		`template { check = ^"{{ range .Files }}{{ .Path }}{{ end }}" }`: "template.check: cannot read its actions: there is no .Path" + known,
		`template { check = ^"{{ key \"a\" }}" }`:                        `template.check: cannot read its actions: function "key" not defined` + known,
		`template { check = ^"{{ .Staged" }`:                             "template.check: cannot read its actions: unclosed action" + known,
		`template { check = ^"{{ if }}" }`:                               "template.check: cannot read its actions: missing value for if" + known,
		"template {\ncheck = ^<<EOT\na\n{{ x }}\nEOT\n}":                 `template.check: cannot read its actions: in its line 2: function "x" not defined` + known,
		`template { check = ^{ a = 1 } }`:                                "template.check: want a string, got a block",
		`group "e" { check = ^"{{ .X }}" }`:                              "group.e.check: cannot read its actions: there is no .X" + known,
	} {
		expectAt(t, text, want)
	}
}

var place = regexp.MustCompile(`\S+\.hcl:`)

// expectAt loads a text with ^ at the place of its error.
func expectAt(t *testing.T, text, want string) {
	t.Helper()
	before, after, _ := strings.Cut(text, "^")
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	_, err := load(t, before+after)
	if err == nil {
		t.Errorf("%s: no error, want %s", text, want)
		return
	}
	got := place.ReplaceAllString(err.Error(), "")
	want = strconv.Itoa(line) + ":" + strconv.Itoa(column) + ": " + want
	if !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
		t.Errorf("%s\n got %s\nwant %s", text, got, want)
	}
}

func TestSignalsToApprove(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`approve_signal = "SIGHUP"`:                        "approve_signal: SIGHUP is reload_signal: take another one, such as SIGUSR2",
		`approve_signal = "SIGTERM"`:                       "approve_signal: SIGTERM ends ctmpl: take another one, such as SIGUSR2",
		`approve_signal = "SIGUSR1" kill_signal="SIGUSR1"`: "approve_signal: SIGUSR1 ends ctmpl: take another one, such as SIGUSR2",
		`approve_signal = "SIGKILL"`:                       "approve_signal: SIGKILL reaches no program: take another one, such as SIGUSR2",
		`approve_signal = "SIGUSR2"`:                       "",
		`approve_signal = ""`:                              "",
		`kill_signal = "" reload_signal = ""`:              "",
	} {
		if _, err := load(t, text); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// The flags for a command line with one template.
func TestFlagsOfOneTemplate(t *testing.T) {
	t.Parallel()
	flags := []Setting{
		{"check", "template.check", "c {{ .Staged }}"}, {"template", "template", "a:b"}, {"verify", "template.verify", "v"},
		{"reload", "template.reload", "nginx"}, {"format", "template.format", "nginx"}, {"state-dir", "state_dir", "/s"},
	}
	c, err := Load(nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &c.Templates[0]
	check, _ := tmpl.Checking()
	verify, _ := tmpl.Verifying()
	if strings.Join(check, "|") != "c {{ .Staged }}" || strings.Join(verify, "|") != "v" || c.ProgramOf(tmpl) != ProgramNginx ||
		tmpl.Format != FormatNginx || tmpl.Pos.File != "-template" || c.StatePath() != "/s" {
		t.Errorf("got %+v", c)
	}
	if c, err = load(t, one(`check = "file"`), flags[0]); err != nil || c.Templates[0].Check[0] != "c {{ .Staged }}" || c.Templates[0].Pos.Line != 2 {
		t.Errorf("got %+v, %v", c, err)
	}
	two := Setting{"template", "template", "c:d:e"}
	for _, tc := range []struct {
		settings []Setting
		want     string
	}{
		{[]Setting{flags[0]}, "-check goes with one template, and there are 0: say it in a configuration file"},
		{[]Setting{flags[1], flags[2], two}, "-verify goes with one template, and there are 2: say it in a configuration file"},
		{[]Setting{two, flags[3]}, `-template: template: has both a command and reload = "nginx": give one of them`},
	} {
		if _, err := Load(nil, tc.settings); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	for _, s := range []Setting{{"check", "template.check", "{{ .X }}"}, {"reload", "template.reload", "x"}, {"format", "template.format", "x"}} {
		if err := s.Check(); err == nil || !strings.HasPrefix(err.Error(), "-"+s.Flag+": "+s.Path+": ") {
			t.Errorf("got %v", err)
		}
	}
}

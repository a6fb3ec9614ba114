package funcs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPlugin(t *testing.T) {
	t.Parallel()
	(&rig{opt: Options{Env: []string{"CONSUL_HTTP_ADDR=agent:8500"}}}).check(t, nil, []helperCase{
		{text: `{{plugin ""}}{{plugin "" "x"}}`, want: ""},
		{text: `[{{plugin "echo" " a b " "" " " "c\n"}}]`, want: "[a b c]"},
		{text: `[{{plugin "printf" "\\n x\\ny \\n"}}]`, want: "[x\ny]"},
		{text: `{{plugin "sh" "-c" "echo $CONSUL_HTTP_ADDR; echo $HOME >&2"}}`, want: "agent:8500"},
		{text: `{{plugin "true"}}{{plugin "cat"}}`, want: ""}, // no standard input
		{text: `{{"in" | plugin "echo"}}`, want: "in"},
		{text: `{{(plugin "echo" "{\"a\": 1}" | parseJSON).a}}`, want: "1"},
		{text: `{{plugin "sh" "-c" "(sleep 0.1; echo late) & echo first"}}`, want: "first\nlate"},
		{text: `{{plugin "no-such-plugin"}}`, err: `plugin: "no-such-plugin": executable file not found in $PATH`},
		{text: `{{plugin "/etc/passwd"}}`, err: `plugin: "/etc/passwd": permission denied`},
		{text: `{{plugin "false"}}`, err: `plugin: "false": exit status 1`},
		{text: `{{plugin "sh" "-c" "echo out; echo one >&2; printf '  two\\n' >&2; exit 3"}}`, err: `plugin: "sh": exit status 3: one two`},
		{text: `{{plugin "sh" "-c" "kill -9 $$"}}`, err: `plugin: "sh": signal: killed`},
		{text: `{{plugin "sh" "-c" "echo $1 [$2] >&2; exit 1" "sh" "hunter2" "{\"a\":[\"deep-secret\"]}"}}`, err: `plugin: "sh": exit status 1: [redacted] [[redacted]]`},
		{text: `{{plugin "sh" "-c" "echo got deep-secret >&2; exit 1" "{\"a\":[\"deep-secret\"]}"}}`, err: `plugin: "sh": exit status 1: got [redacted]`},
	})
}

func TestPluginErrorIsBounded(t *testing.T) {
	t.Parallel()
	_, err := (&rig{ctx: t.Context()}).exec(`{{plugin "sh" "-c" "yes äöü | head -c 5000002 >&2; echo the end >&2; exit 1"}}`, nil)
	if err == nil || len(err.Error()) > 3000 || !strings.HasSuffix(err.Error(), "the end") || strings.Contains(err.Error(), "?") {
		t.Errorf("got %d bytes: %.200s", len(err.Error()), err)
	}
}

func TestPluginPrintsTooMuch(t *testing.T) {
	t.Parallel()
	out, _, err := runPlugin(t.Context(), pluginCommand("yes"))
	if !errors.Is(err, errPluginOutput) || len(out) > pluginOutput+1 {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

// Neither a child of the plugin nor one that has left its process group keeps it.
func TestPluginIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		`sleep 1000 & echo $! >PID; wait`,
		`sleep 1000 & echo $! >PID`,
		`trap "" TERM INT; echo $$ >PID; while :; do sleep 1; done`,
		`exec >&- 2>&-; echo $$ >PID; sleep 1000`,
	} {
		file := filepath.Join(t.TempDir(), "pid")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, _, err := runPlugin(ctx, pluginCommand("sh", "-c", strings.ReplaceAll(script, "PID", file)))
			ended <- err
		}()
		pid := awaitFile(t, file)
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", script, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not ended", script)
		}
		for range 1500 { // an orphan is reaped by init
			if state, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || strings.Contains(string(state), ") Z ") {
				pid = ""
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if pid != "" {
			t.Errorf("%s: %s lives on", script, pid)
		}
	}
}

func TestPluginThatLeavesItsGroup(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errPluginTimeout)
	defer cancel()
	start := time.Now()
	pid := filepath.Join(t.TempDir(), "pid")
	_, _, err := runPlugin(ctx, pluginCommand("sh", "-c", "setsid sleep 60 & echo $! >"+pid))
	t.Cleanup(func() { _ = exec.Command("kill", awaitFile(t, pid)).Run() })
	if !errors.Is(err, errPluginTimeout) || time.Since(start) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

func pluginCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = ownGroup()
	return cmd
}

func awaitFile(t *testing.T, path string) string {
	t.Helper()
	for range 3000 {
		if b, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(b), "\n") {
			return strings.TrimSpace(string(b))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the plugin does not run")
	return ""
}

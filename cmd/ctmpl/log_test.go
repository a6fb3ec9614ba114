package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
)

// A record goes to the syslog with its level, as one message, without the time that
// the syslog knows by itself.
func TestSyslog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	h, err := dialSyslog("unixgram", path, config.Syslog{Facility: "DAEMON", Name: "name"}, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer h.out.Close()
	log := slog.New(h).With("a", "b c").WithGroup("g")
	log.Debug("not this")
	for _, tc := range []struct {
		log  func(string, ...any)
		want string
	}{
		{log.Info, "<30>"}, {log.Warn, "<28>"}, {log.Error, "<27>"}, // 8 × 3 for the facility, and the severity
	} {
		tc.log("hello", "n", 1)
		message := make([]byte, 1000)
		_ = socket.SetReadDeadline(time.Now().Add(wait))
		n, _, err := socket.ReadFrom(message)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(message[:n]); !strings.HasPrefix(got, tc.want) || !strings.Contains(got, "name[") || !strings.Contains(got, `: msg=hello a="b c" g.n=1`) {
			t.Errorf("got %q", got)
		}
	}
	if _, err := dialSyslog("unixgram", path+"x", config.Syslog{}, slog.LevelInfo); err == nil || !strings.Contains(err.Error(), "cannot connect to the syslog") {
		t.Errorf("got %v", err)
	}
}

// A syslog that does not read stops nobody, and hears later how much it missed.
func TestSyslogThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	h, err := dialSyslog("unixgram", path, config.Syslog{}, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer h.out.Close()
	log := slog.New(h)
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for i := range 2 * syslogKept {
			log.Info("hello", "n", i)
		}
	}()
	select {
	case <-logged:
	case <-time.After(wait):
		t.Fatal("it waits")
	}
	message := make([]byte, 1000)
	_ = socket.SetReadDeadline(time.Now().Add(wait))
	for !strings.Contains(string(message), "messages were lost") {
		clear(message)
		if _, _, err := socket.ReadFrom(message); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(message), "n=900") {
			log.Info("there is room again")
		}
	}
}

// A log file that cannot be put aside goes on.
func TestLogFileThatCannotBeRotated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	f, err := openLogFile(config.LogFile{Path: path, RotateBytes: 1, RotateMaxFiles: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Error(err)
		}
		if err := os.Remove(path); err != nil { // which rotating does, too
			t.Fatal(err)
		}
	}
	if _, err := f.Write([]byte("three\n")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "three\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestLogFileRotation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		cfg  config.LogFile
		want []string // the contents, the newest last
	}{
		{"by size, all kept", config.LogFile{RotateBytes: 10}, []string{"11111\n", "22222\n", "33333\n"}},
		{"by size, none kept", config.LogFile{RotateBytes: 10, RotateMaxFiles: -1}, []string{"33333\n"}},
		{"by age", config.LogFile{RotateDuration: 1}, []string{"11111\n", "22222\n", "33333\n"}},
		{"a file has room for several", config.LogFile{RotateBytes: 12}, []string{"11111\n22222\n", "33333\n"}},
		{"never", config.LogFile{}, []string{"11111\n22222\n33333\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tc.cfg.Path = filepath.Join(dir, "x.log")
			f, err := openLogFile(tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, line := range []string{"11111\n", "22222\n", "33333\n"} {
				if _, err := f.Write([]byte(line)); err != nil {
					t.Fatal(err)
				}
				nextMillisecond() // it is in the name of an old one
			}
			if got := logFiles(t, dir); !slices.Equal(slices.DeleteFunc(got, func(s string) bool { return s == "" }), tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func nextMillisecond() {
	for now := time.Now().UnixMilli(); time.Now().UnixMilli() == now; {
	}
}

// logFiles gives the contents of all files, sorted.
func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	slices.Sort(all)
	return all
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
)

// neverMegabytes keeps lumberjack from rotating by itself: it counts in megabytes,
// and the configuration in bytes.
const neverMegabytes = 1 << 30

// logFile is a log file that is put aside, with the time in its name, when it is
// large or old, and begun anew.
type logFile struct {
	mu      sync.Mutex
	out     *lumberjack.Logger
	cfg     config.LogFile
	written int64
	since   time.Time
}

// openLogFile opens the file of the configuration, whose path may be a directory.
func openLogFile(cfg config.LogFile) (*logFile, error) {
	if info, err := os.Stat(cfg.Path); strings.HasSuffix(cfg.Path, "/") || err == nil && info.IsDir() {
		cfg.Path = filepath.Join(cfg.Path, "ctmpl.log")
	}
	if cfg.RotateDuration <= 0 {
		cfg.RotateDuration = config.Defaults().LogFile.RotateDuration
	}
	f := &logFile{cfg: cfg, since: time.Now(), out: &lumberjack.Logger{
		Filename: cfg.Path, MaxSize: neverMegabytes, MaxBackups: max(0, cfg.RotateMaxFiles), LocalTime: true,
	}}
	if info, err := os.Stat(cfg.Path); err == nil {
		f.written = info.Size()
	}
	f.create()
	if _, err := f.out.Write(nil); err != nil { // now, so that one hears of it
		return nil, fmt.Errorf("%w: %w", errNoLogFile, err)
	}
	return f, nil
}

// Write implements io.Writer for one line.
func (f *logFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	large := f.cfg.RotateBytes > 0 && f.written > 0 && f.written+int64(len(line)) > f.cfg.RotateBytes
	if large || time.Since(f.since) >= f.cfg.RotateDuration {
		_ = f.rotate() // better a file that is too large than no log
	}
	n, err := f.out.Write(line)
	f.written += int64(n)
	return n, err
}

// rotate begins the file anew. With a negative number of files the old one is not
// kept.
func (f *logFile) rotate() error {
	f.written, f.since = 0, time.Now()
	if f.cfg.RotateMaxFiles >= 0 {
		return f.out.Rotate()
	}
	if err := f.out.Close(); err != nil {
		return err
	}
	err := os.Remove(f.cfg.Path)
	f.create()
	return err
}

// create makes the file where it is missing, as readable for its group as
// consul-template does, for what collects logs. An error is that of the next write, too.
func (f *logFile) create() {
	_ = os.MkdirAll(filepath.Dir(f.cfg.Path), 0o755)
	if file, err := os.OpenFile(f.cfg.Path, os.O_CREATE|os.O_WRONLY, 0o640); err == nil {
		_ = file.Close()
	}
}

// reopen has the next line go to the file of the name, which may have been moved.
func (f *logFile) reopen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.out.Close()
	f.written = 0
	if info, err := os.Stat(f.cfg.Path); err == nil {
		f.written = info.Size()
	} else {
		f.create()
	}
}

func (f *logFile) Close() error { return f.out.Close() }

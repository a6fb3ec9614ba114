package nginx

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// logTail reads what one process adds to error logs from now on.
type logTail struct {
	files []*logFile
	line  *regexp.Regexp // of that process: level and message
	seen  []logLine
}

// logLine is a line of an error log.
type logLine struct{ level, text string }

// logFile is a log that may be rotated or truncated meanwhile.
type logFile struct {
	path string
	file *os.File // nil as long as there is none
	at   int64
}

// readPiece is how much of a log is read at once; a line that is longer is cut.
const readPiece = 64 << 10

// tailLogs begins to read. The log that the master uses is its standard error; that
// of the files on disk is where it goes on once it has opened the new one.
func tailLogs(pid int, paths []string) *logTail {
	t := &logTail{line: regexp.MustCompile(fmt.Sprintf(`^\S+ \S+ \[(\w+)\] %d#\d+: (?:\*\d+ )?(.*)`, pid))}
	for _, path := range append([]string{proc(pid, "fd/2")}, paths...) {
		f := &logFile{path: path}
		f.open()
		if f.file == nil && len(t.files) == 0 {
			f.path = "" // no file now, and not later
		}
		if f.file != nil {
			f.at, _ = f.file.Seek(0, io.SeekEnd)
		}
		t.files = append(t.files, f)
	}
	return t
}

func (t *logTail) close() {
	for _, f := range t.files {
		if f.file != nil {
			_ = f.file.Close()
		}
	}
}

// readable tells whether there is any log to read.
func (t *logTail) readable() bool {
	return slices.ContainsFunc(t.files, func(f *logFile) bool { return f.file != nil })
}

// read takes what has been added, and gives all lines of the process up to now.
func (t *logTail) read() []logLine {
	for _, f := range t.files {
		f.read(t.add)
		if f.rotated() {
			_ = f.file.Close()
			f.file, f.at = nil, 0
		}
		if f.file == nil {
			f.open()
			f.read(t.add)
		}
	}
	return t.seen
}

// add takes a line, which several logs may hold.
func (t *logTail) add(line []byte) {
	m := t.line.FindSubmatch(line)
	if m == nil {
		return
	}
	l := logLine{string(m[1]), strings.TrimSpace(string(m[2]))}
	if !slices.Contains(t.seen, l) {
		t.seen = append(t.seen, l)
	}
}

// open opens the log if it is a file that can be read.
func (f *logFile) open() {
	if f.path == "" {
		return
	}
	info, err := os.Stat(f.path) // opening a pipe would wait
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	f.file, _ = os.Open(f.path)
}

// rotated tells whether the path leads to another file by now.
func (f *logFile) rotated() bool {
	if f.file == nil {
		return false
	}
	there, err := os.Stat(f.path)
	if err != nil {
		return false // not yet
	}
	have, err := f.file.Stat()
	return err == nil && !os.SameFile(there, have)
}

// read gives the complete lines that have been added.
func (f *logFile) read(add func([]byte)) {
	if f.file == nil {
		return
	}
	if info, err := f.file.Stat(); err == nil && info.Size() < f.at {
		f.at = 0 // truncated
	}
	piece := make([]byte, readPiece)
	for {
		n, err := f.file.ReadAt(piece, f.at)
		used := bytes.LastIndexByte(piece[:n], '\n') + 1
		if used == 0 && n == len(piece) {
			used = n
		}
		for line := range bytes.Lines(piece[:used]) {
			add(line)
		}
		f.at += int64(used)
		if err != nil || used == 0 {
			return
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
)

// pidFile is the path of a file with the number of the process, "" for none.
type pidFile string

func writePidFile(path string) (pidFile, error) {
	if path == "" {
		return "", nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return "", fmt.Errorf("cannot write the pid file: %w", err)
	}
	return pidFile(path), nil
}

// remove removes the file, unless another process has written it meanwhile.
func (p pidFile) remove(log *slog.Logger) {
	if p == "" {
		return
	}
	text, err := os.ReadFile(string(p))
	if err == nil && string(text) != strconv.Itoa(os.Getpid()) {
		return
	}
	if err := os.Remove(string(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("cannot remove the pid file", "error", err)
	}
}

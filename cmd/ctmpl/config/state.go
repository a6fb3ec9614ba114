package config

import (
	"os"
	"path/filepath"
	"strings"
)

// noState is the state_dir of who wants to keep no state.
const noState = "none"

// StatePath gives the directory for what has to last longer than the process, "" when
// no state is kept. Where nothing is said it is the one that systemd gives to a unit
// (systemd.exec(5), StateDirectory=), or that of the system or the user (XDG Base
// Directory Specification).
func (c *Config) StatePath() string {
	switch c.StateDir {
	case "":
		return defaultState(os.Geteuid() == 0)
	case noState:
		return ""
	}
	return c.StateDir
}

func defaultState(root bool) string {
	if first, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); first != "" {
		return first
	}
	if root {
		return "/var/lib/ctmpl"
	}
	if base := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(base) { // another one is to be ignored
		return filepath.Join(base, "ctmpl")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "ctmpl")
}

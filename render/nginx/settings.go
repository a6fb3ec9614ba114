package nginx

import (
	"path/filepath"
	"slices"
	"strings"
)

// settings are the directives of the main context that say where nginx can be found.
type settings struct {
	pidFile   string   // absolute; "" when not set
	errorLogs []string // absolute paths of files
	toStderr  bool     // error_log stderr
	single    bool     // master_process off
}

// settingsOf reads the directives given by -g, and the main file with what that
// includes in its main context. What cannot be read counts as empty.
func settingsOf(conf, globals, prefix string) settings {
	var s settings
	if c, err := parse([]byte(globals)); err == nil {
		s.take(c, prefix)
	}
	seen := make(map[string]bool)
	for queue := []string{conf}; len(queue) > 0; queue = queue[1:] {
		if seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		text, err := (view{}).read(queue[0])
		if err != nil {
			continue
		}
		if c, err := parse(text); err == nil {
			queue = append(queue, s.take(c, prefix, filepath.Dir(conf))...)
		}
	}
	return s
}

// take reads the directives of the main context, and gives the files that it
// includes, by their paths against the directory of the main file.
func (s *settings) take(c *config, prefix string, dir ...string) (included []string) {
	for i := 0; i < len(c.nodes); i = c.nodes[i].end {
		n := c.nodes[i]
		if n.block || n.args() < 2 {
			continue
		}
		value := c.value(n, 1)
		switch name := string(c.raw(n, 0)); {
		case name == "pid":
			s.pidFile = absolute(value, prefix)
		case name == "master_process":
			s.single = value == "off"
		case name == "error_log":
			s.logTo(value, prefix)
		case name == "include" && len(dir) > 0:
			included = append(included, view{}.expand(absolute(value, dir[0]))...)
		}
	}
	return included
}

func (s *settings) logTo(value, prefix string) {
	switch {
	case value == "stderr":
		s.toStderr = true
		return
	case strings.HasPrefix(value, "syslog:"), strings.HasPrefix(value, "memory:"):
		return // beside them there is the default log all the same, see ngx_log_open_default
	}
	if path := absolute(value, prefix); !slices.Contains(s.errorLogs, path) {
		s.errorLogs = append(s.errorLogs, path)
	}
}

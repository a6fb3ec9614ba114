package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// route leads from a socket to an instance of a service.
type route struct {
	service string
	address string // "10.0.0.1:21000"
}

// socket gives the path of the socket in a directory.
func (r route) socket(dir string) string { return filepath.Join(dir, r.service+"@"+r.address) }

// serviceName is what may be part of a path and of an ID.
var serviceName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*)$`)

// readRoutes reads a file. One bad line makes it bad as a whole.
func readRoutes(path string) ([]route, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var routes []route
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRoute(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		routes = append(routes, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return routes, nil
}

func parseRoute(line string) (route, error) {
	fields := strings.Fields(line)
	if len(fields) != 2 || !serviceName.MatchString(fields[0]) {
		return route{}, fmt.Errorf("want a service and an address, such as web 10.0.0.1:21000")
	}
	// A zone may be anything, and would be part of a path.
	if addr, err := netip.ParseAddrPort(fields[1]); err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" {
		return route{}, fmt.Errorf("want an IP address and a port, not %.80q", fields[1])
	}
	return route{fields[0], fields[1]}, nil
}

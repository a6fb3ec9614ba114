package funcs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/ctmpl/ctmpl/watch"
)

// settings are what the variables say of routes.
type settings struct {
	domain      string
	address     string // with a colon behind it, "" for all
	http        int
	https       int
	grpc        int
	tls         int
	ports       []portRange
	balance     string
	maxFails    int // -1: not said
	failTimeout Nginx
	canary      string // the prefix of keys
	key         canaryKey
	tlsDir      string
	tlsKeys     string // a prefix, too
	serve       tagSet
	tagPrefix   string
}

type portRange struct{ first, last int }

// RouteVars are the variables that nginxRoutes and its like read, with their defaults.
func RouteVars() map[string]string {
	return map[string]string{
		"domain": "", "address": "", "http_listen": "80", "https_listen": "443", "grpc_listen": "50051", "tls_listen": "8443",
		"ports": "9443,9900-9999", "lb": "round_robin", "max_fails": "", "fail_timeout": "", "canary_keys": "release/", "canary_by": "address",
		"tls_dir": "/etc/nginx/tls", "tls_keys": "nginx/tls/", "serve": "http,grpc,tcp", "tag_prefix": "",
	}
}

// VarsOf are the variables that a function reads, with their defaults.
func VarsOf(function string) map[string]string {
	switch function {
	case "nginxRoutes", "nginxUpstream", "nginxStreamUpstream", "nginxSplit":
		return RouteVars()
	}
	return nil
}

// settingsOf reads the variables, once. The error is of one that is bad.
func settingsOf(vars map[string]string) func() (*settings, error) {
	return sync.OnceValues(func() (*settings, error) {
		s, errs := readSettings(vars)
		if len(errs) > 0 {
			return nil, errs[0]
		}
		return s, nil
	})
}

func readSettings(vars map[string]string) (*settings, []*VariableError) {
	r := &variableReader{vars: vars}
	s := &settings{
		http: r.port("http_listen"), https: r.port("https_listen"), grpc: r.port("grpc_listen"), tls: r.port("tls_listen"),
		canary: r.prefix("canary_keys"), tlsKeys: r.prefix("tls_keys"), tlsDir: r.text("tls_dir"), tagPrefix: r.text("tag_prefix"), maxFails: -1,
	}
	r.read("domain", func(text string) error { s.domain = text; return hostOr(text, "") })
	r.read("address", func(text string) (err error) { s.address, err = listenAddress(text); return err })
	r.read("ports", func(text string) (err error) { s.ports, err = portRanges(text); return err })
	r.read("canary_by", func(text string) (err error) { s.key, err = canaryKeyOf(text); return err })
	r.read("serve", func(text string) (err error) { s.serve, err = tagsIn(text); return err })
	r.read("max_fails", func(text string) (err error) {
		if text != "" {
			s.maxFails, err = nginxInt(text)
		}
		return err
	})
	r.read("fail_timeout", func(text string) (err error) {
		if text != "" {
			s.failTimeout, err = failTimeout(text)
		}
		return err
	})
	r.read("lb", func(text string) error {
		s.balance = text
		b, err := balanceOf(text)
		if err == nil {
			_, err = b.stream()
		}
		return err
	})
	r.read("tls_dir", aPath)
	r.distinct(s)
	return s, r.errs
}

// variableReader keeps an error for each variable that is bad.
type variableReader struct {
	vars map[string]string
	errs []*VariableError
}

func (r *variableReader) text(name string) string {
	if text, ok := r.vars[name]; ok {
		return text
	}
	return RouteVars()[name]
}

func (r *variableReader) read(name string, set func(string) error) {
	if err := set(r.text(name)); err != nil {
		r.fail(name, err)
	}
}

func (r *variableReader) fail(name string, err error) {
	r.errs = append(r.errs, &VariableError{name, r.text(name), reasonOf(err).Error()})
}

// prefix reads the beginning of keys.
func (r *variableReader) prefix(name string) string {
	r.read(name, matching(`[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*/`, "want the beginning of keys with a / at its end, and none before it"))
	return r.text(name)
}

func (r *variableReader) port(name string) (port int) {
	r.read(name, func(text string) error {
		n, reason := parsePort(text)
		port = n
		return reasonError(reason)
	})
	return port
}

// distinct reports a port that is to be two things.
func (r *variableReader) distinct(s *settings) {
	seen := map[int]string{}
	for _, p := range []struct {
		name string
		port int
	}{{"http_listen", s.http}, {"https_listen", s.https}, {"grpc_listen", s.grpc}, {"tls_listen", s.tls}} {
		if other := seen[p.port]; other != "" {
			r.fail(p.name, fmt.Errorf("%d is the port of %s already: give each its own", p.port, other))
		}
		seen[p.port] = p.name
	}
}

// reasonError is an error for a reason that is not empty.
func reasonError(reason string) error {
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%s", reason)
}

// hostOr takes a host name, or another text.
func hostOr(text, other string) error {
	if text == other || isHostName(text) {
		return nil
	}
	return fmt.Errorf("want a host name in lower case, such as example.com")
}

// listenAddress gives the address for listen with its colon. Any address of this host
// will do, also one that no request is to be sent to.
func listenAddress(text string) (string, error) {
	if text == "" || text == "0.0.0.0" {
		return "", nil
	}
	if text == "::" {
		return "[::]:", nil
	}
	addr, reason := parseAddress(text)
	return bracketed(addr) + ":", reasonError(reason)
}

// portRanges reads "1024-2000,9999".
func portRanges(text string) (all []portRange, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, ok := strings.Cut(strings.TrimSpace(part), "-")
		if !ok {
			last = first
		}
		from, reason1 := parsePort(first)
		to, reason2 := parsePort(last)
		if err := reasonError(cmp.Or(reason1, reason2)); err != nil || from > to {
			return nil, fmt.Errorf("want ports and ranges of them, such as 5000-5999,9999")
		}
		all = append(all, portRange{from, to})
	}
	return all, nil
}

// listen gives what listen takes for a port.
func (s *settings) listen(port int, more string) Nginx {
	return Nginx(s.address + strconv.Itoa(port) + more)
}

// own gives the variable that keeps a port for something, "" when none does.
func (s *settings) own(port int) string {
	switch port {
	case s.http:
		return "http_listen"
	case s.https:
		return "https_listen"
	case s.grpc:
		return "grpc_listen"
	case s.tls:
		return "tls_listen"
	}
	return ""
}

// here tells whether an instance is nginx itself: its address is one that nginx listens on
// without doubt, at one of its own ports or that of the service.
func (s *settings) here(i *watch.ServiceInstance, listen int) bool {
	addr, err := netip.ParseAddr(i.Address)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	all := s.address == "" && addr.Is4() || s.address == "[::]:"
	return (all && addr.IsLoopback() || bracketed(addr)+":" == s.address) && (s.own(i.Port) != "" || s.allows(i.Port) && i.Port == listen)
}

// portsText writes the ports that services may choose.
func (s *settings) portsText() string {
	var all []string
	for _, r := range s.ports {
		text := strconv.Itoa(r.first)
		if r.last > r.first {
			text += "-" + strconv.Itoa(r.last)
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, ","), "none")
}

// allows tells whether a service may choose a port.
func (s *settings) allows(port int) bool {
	for _, r := range s.ports {
		if r.first <= port && port <= r.last {
			return true
		}
	}
	return false
}

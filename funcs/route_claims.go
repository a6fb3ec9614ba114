package funcs

import (
	"fmt"
	"strconv"
	"strings"
)

// claims are who has which port, host and path. Who comes first has it. A host is of one
// service on all ports: where that has it others may have paths of it.
type claims struct {
	settings *settings
	notes    []note
	ports    map[int]*claimedPort
	hosts    map[Nginx]*offer
	sites    map[siteKey]*Site // of ports for http, as they become
	owners   map[pathKey]*offer
	streams  map[int]*Stream
	certs    map[siteKey]*offer // whose certificate a site has

	upstreams, streamUpstreams []*Upstream
	splits                     []*Split
}

type siteKey struct {
	port int
	host Nginx
}

type pathKey struct {
	siteKey
	path Nginx
}

// claimedPort is what a port is for, and who has it; several have one for hosts.
type claimedPort struct {
	kind  string
	owner *offer
}

// What a port can be for.
const (
	portHTTP  = "http"
	portHTTPS = "https"
	portGRPC  = "gRPC"
	portSNI   = "TLS by host"
	portTCP   = "TCP"
)

func newClaims(s *settings) *claims {
	return &claims{
		settings: s, ports: map[int]*claimedPort{}, hosts: map[Nginx]*offer{}, sites: map[siteKey]*Site{}, owners: map[pathKey]*offer{},
		streams: map[int]*Stream{}, certs: map[siteKey]*offer{},
	}
}

func (c *claims) note(of tagSet, format string, args ...any) {
	c.notes = append(c.notes, note{of, fmt.Sprintf(format, args...)})
}

// take gives a service what it wants of what nobody has yet.
func (c *claims) take(o *offer, from *sources) {
	c.notes = append(c.notes, o.notes...)
	if o.http != nil {
		c.takeHTTP(o, from)
	}
	if o.stream != nil {
		c.takeStream(o)
	}
}

// has says who has something that another one wants.
func has(owner, other *offer) string {
	switch {
	case owner == other:
		return "it has that already"
	case owner.age < other.age:
		return "service " + quote(owner.service) + ", which is older, has it"
	}
	return "service " + quote(owner.service) + " has it"
}

// port tells whether a service may be at a port.
func (c *claims) port(o *offer, port int, kind string, of tagSet) bool {
	claimed := c.ports[port]
	own := c.settings.own(port)
	reason := ""
	switch {
	case own != "" && kindOf(own) != kind:
		reason = "it is that of the variable " + own
	case own == "" && !c.settings.allows(port):
		reason = fmt.Sprintf("it is none of the variable ports (%.100s): add it there if nothing else on the host has it", c.settings.portsText())
	case claimed == nil:
		c.ports[port] = &claimedPort{kind, o}
	case claimed.owner == o && (claimed.kind != kind || kind == portTCP):
		reason = fmt.Sprintf("it has that for %s, and a port is for one thing: register what is to be there for %s as a service of its own", claimed.kind, kind)
	case claimed.kind != kind || kind == portTCP:
		reason = has(claimed.owner, o) + " for " + claimed.kind
	}
	if reason != "" {
		c.note(of, "service %s does not get port %d: %s", quote(o.service), port, reason)
	}
	return reason == ""
}

// host tells whether a service may have something of a host: it is its own, or its owner
// has it at this place, where others may have paths.
func (c *claims) host(o *offer, host Nginx, port int, shared bool, of tagSet) bool {
	owner := c.hosts[host]
	if owner == nil || owner == o || shared {
		return true
	}
	c.note(of, "service %s does not get %s on port %d: %s", quote(o.service), host, port, has(owner, o))
	return false
}

// kindOf gives what the port of a variable is for.
func kindOf(variable string) string {
	return map[string]string{"http_listen": portHTTP, "https_listen": portHTTPS, "grpc_listen": portGRPC, "tls_listen": portSNI}[variable]
}

// takeStream gives a service its port, or its hosts at a port that others have, too.
func (c *claims) takeStream(o *offer) {
	pass := Nginx("_route._nobody")
	if up := o.stream.upstream; up != nil {
		pass = up.Name
		c.streamUpstreams = append(c.streamUpstreams, up)
	}
	if len(o.wants.hosts) == 0 && c.port(o, o.port, portTCP, tagSet{tagTCP}) {
		c.streams[o.port] = &Stream{Listen: c.settings.listen(o.port, ""), Pass: pass}
	}
	for _, host := range o.wants.hosts {
		port := o.port
		if port == 0 {
			port = c.settings.tls
		}
		c.claimSNI(o, host, port, pass)
	}
}

func (c *claims) claimSNI(o *offer, host Nginx, port int, pass Nginx) {
	of := tagSet{tagTCP}
	if !strings.Contains(string(host), ".") {
		// default, include, hostnames and volatile mean something else in a map.
		c.note(of, "service %s does not get %s on port %d: a host for TLS needs a dot in its name", quote(o.service), host, port)
		return
	}
	if !c.host(o, host, port, false, of) || !c.port(o, port, portSNI, of) {
		return
	}
	c.hosts[host] = o
	if c.streams[port] == nil {
		c.streams[port] = &Stream{Listen: c.settings.listen(port, ""), Pass: Nginx("$ctmpl_sni_" + strconv.Itoa(port))}
	}
	c.streams[port].Hosts = append(c.streams[port].Hosts, SNIHost{host, pass})
}

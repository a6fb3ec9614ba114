package funcs

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// claims are who has which port, host and path. Who comes first has it.
type claims struct {
	settings *settings
	notes    []string
	ports    map[int]*claimedPort
	sites    map[siteKey]*Site // of ports for http, as they become
	owners   map[pathKey]*offer
	streams  map[int]*Stream
	certs    map[siteKey]*offer // whose certificate a site has

	upstreams, streamUpstreams []*Upstream
	splits                     []*Split
	before                     *claims
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

func newClaims(s *settings, before *claims) *claims {
	return &claims{
		settings: s, before: before, ports: map[int]*claimedPort{}, sites: map[siteKey]*Site{}, owners: map[pathKey]*offer{},
		streams: map[int]*Stream{}, certs: map[siteKey]*offer{},
	}
}

func (c *claims) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
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

func (c *claims) takeHTTP(o *offer, from *sources) {
	var cert *Certificate
	if o.wants.tls.name != "" {
		found, err := from.certificate(o.wants.tls)
		if err != nil {
			c.note("service %s is left out: %s", quote(o.service), err)
			return
		}
		cert = found
	}
	up, split := c.choose(o, from)
	pass := upName(up, split)
	got := false
	for _, host := range o.hosts {
		for _, want := range c.wanted(o, cert) {
			want.location.Pass = pass
			got = c.claim(o, host, want, cert) || got
		}
	}
	if !got {
		return
	}
	if split != nil {
		c.splits = append(c.splits, split)
		for _, part := range split.Parts {
			c.upstreams = append(c.upstreams, part.Upstream)
		}
	} else {
		c.upstreams = append(c.upstreams, up)
	}
}

func upName(up *Upstream, split *Split) Nginx {
	if split != nil {
		return split.Variable
	}
	return up.Name
}

// choose gives the upstream of a service, or what shares it among versions.
func (c *claims) choose(o *offer, from *sources) (*Upstream, *Split) {
	if o.versions == nil {
		return o.http, nil
	}
	percent, ok, err := from.percent(o.service)
	if err != nil {
		c.note("%s", err)
	}
	if !ok {
		return o.http, nil
	}
	return o.versions.of(o.service, percent, c.settings.key)
}

// wantedSite is what a service wants at one port.
type wantedSite struct {
	port     int
	kind     string
	location Location
}

// wanted gives at which ports a service wants to be, and as what.
func (c *claims) wanted(o *offer, cert *Certificate) (all []wantedSite) {
	add := func(port int, kind string, l Location) {
		l.Path, l.Service = o.wants.path, o.service
		all = append(all, wantedSite{port, kind, l})
	}
	grpc := Location{GRPC: true}
	if cert != nil {
		port := cmp.Or(o.wants.listen, c.settings.https)
		add(port, portHTTPS, Location{GRPC: o.kinds[tagGRPC]})
		if o.kinds[tagHTTP] && o.wants.listen == 0 {
			redirect := Location{Redirect: true}
			if port != 443 {
				redirect.Port = Nginx(":" + strconv.Itoa(port))
			}
			add(c.settings.http, portHTTP, redirect)
		}
		return all
	}
	if o.kinds[tagHTTP] {
		add(cmp.Or(o.wants.listen, c.settings.http), portHTTP, Location{})
	}
	if o.kinds[tagGRPC] {
		add(cmp.Or(o.wants.listen, c.settings.grpc), portGRPC, grpc)
	}
	return all
}

// claim gives a service a path of a host at a port, if nobody has it.
func (c *claims) claim(o *offer, host Nginx, want wantedSite, cert *Certificate) bool {
	if !c.port(o, want.port, want.kind) {
		return false
	}
	key := siteKey{want.port, host}
	path := pathKey{key, want.location.Path}
	if owner := c.owners[path]; owner != nil {
		c.note("service %s does not get %s%s on port %d: %s", quote(o.service), host, want.location.Path, want.port, has(owner, o))
		return false
	}
	site := c.sites[key]
	if site == nil {
		site = &Site{Host: host, Listen: c.listen(want.port, want.kind)}
		if want.kind == portHTTPS {
			site.Certificate = cert
			c.certs[key] = o
		}
		c.sites[key] = site
	}
	if want.kind == portHTTPS && site.Certificate != cert {
		c.note("the certificate of %s on port %d is not that of service %s: %s", host, want.port, quote(o.service), has(c.certs[key], o))
	}
	c.owners[path] = o
	site.Locations = append(site.Locations, want.location)
	site.Whole = site.Whole || want.location.Path == "/"
	return true
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

func (c *claims) listen(port int, kind string) Nginx {
	switch kind {
	case portHTTPS:
		return c.settings.listen(port, " ssl http2")
	case portGRPC:
		return c.settings.listen(port, " http2")
	}
	return c.settings.listen(port, "")
}

// port tells whether a service may be at a port.
func (c *claims) port(o *offer, port int, kind string) bool {
	claimed := c.ports[port]
	own := c.settings.own(port)
	switch {
	case own != "" && c.kindOf(own) != kind:
		c.note("service %s does not get port %d: it is that of the variable %s", quote(o.service), port, own)
	case own == "" && !c.settings.allows(port):
		c.note("service %s does not get port %d: it is none of the variable ports", quote(o.service), port)
	case claimed == nil:
		c.ports[port] = &claimedPort{kind, o}
		return true
	case claimed.kind != kind || kind == portTCP:
		c.note("service %s does not get port %d: %s for %s", quote(o.service), port, has(claimed.owner, o), claimed.kind)
	default:
		return true
	}
	return false
}

// kindOf gives what the port of a variable is for.
func (c *claims) kindOf(variable string) string {
	return map[string]string{"http_listen": portHTTP, "https_listen": portHTTPS, "grpc_listen": portGRPC, "tls_listen": portSNI}[variable]
}

// takeStream gives a service its port, or its hosts at a port that others have, too.
func (c *claims) takeStream(o *offer) {
	got := false
	if len(o.wants.hosts) == 0 {
		if port := o.port; c.port(o, port, portTCP) {
			c.streams[port] = &Stream{Listen: c.settings.listen(port, ""), Pass: o.stream.Name}
			got = true
		}
	}
	for _, host := range o.wants.hosts {
		got = c.claimSNI(o, host, cmp.Or(o.port, c.settings.tls)) || got
	}
	if got {
		c.streamUpstreams = append(c.streamUpstreams, o.stream)
	}
}

func (c *claims) claimSNI(o *offer, host Nginx, port int) bool {
	key := pathKey{siteKey{port, host}, ""}
	switch {
	case !strings.Contains(string(host), "."):
		// default, include, hostnames and volatile mean something else in a map.
		c.note("service %s does not get %s on port %d: a host for TLS needs a dot in its name", quote(o.service), host, port)
		return false
	case !c.port(o, port, portSNI):
		return false
	case c.owners[key] != nil:
		c.note("service %s does not get %s on port %d: %s", quote(o.service), host, port, has(c.owners[key], o))
		return false
	}
	c.owners[key] = o
	if c.streams[port] == nil {
		c.streams[port] = &Stream{Listen: c.settings.listen(port, ""), Pass: Nginx("$ctmpl_sni_" + strconv.Itoa(port))}
	}
	c.streams[port].Hosts = append(c.streams[port].Hosts, SNIHost{host, o.stream.Name})
	return true
}

package funcs

import (
	"cmp"
	"strconv"
)

// takeHTTP gives a service its hosts and paths. Without a certificate that it wants it
// keeps them, too.
func (c *claims) takeHTTP(o *offer, from *sources) {
	var cert *Certificate
	unfit := o.http.upstream == nil
	if o.wants.secure && !unfit {
		found, err := from.certificate(o.wants.tls)
		if err != nil {
			c.note(o.httpTags(), "service %s is not served, and keeps its place: %s", quote(o.service), err)
		}
		cert, unfit = found, err != nil
	}
	pass := Nginx("")
	if !unfit {
		pass = c.choose(o, from)
	}
	for _, host := range o.hosts {
		for _, want := range c.wanted(o) {
			if want.location.Unfit = unfit; !unfit {
				want.location.Pass = pass
			}
			c.claim(o, host, want, cert)
		}
	}
}

// choose gives the name of the upstream of a service, or of the variable that shares it
// among versions.
func (c *claims) choose(o *offer, from *sources) Nginx {
	up, split := o.http.upstream, (*Split)(nil)
	if o.http.versions != nil {
		percent, ok, err := from.percent(o.service)
		if err != nil {
			c.note(o.httpTags(), "%s", err)
		}
		if ok {
			up, split = o.http.versions.of(o.service, percent, c.settings.key)
		}
	}
	if split == nil {
		c.upstreams = append(c.upstreams, up)
		return up.Name
	}
	c.splits = append(c.splits, split)
	return split.Variable
}

// wantedSite is what a service wants at one port.
type wantedSite struct {
	port     int
	kind     string
	location Location
}

// of gives the tag that a location is due to.
func (l *Location) of() tagSet {
	if l.GRPC {
		return tagSet{tagGRPC}
	}
	return tagSet{tagHTTP}
}

// wanted gives at which ports a service wants to be, and as what.
func (c *claims) wanted(o *offer) (all []wantedSite) {
	add := func(port int, kind string, l Location) {
		l.Path, l.Service = o.wants.path, o.service
		all = append(all, wantedSite{port, kind, l})
	}
	if o.wants.secure {
		port := cmp.Or(o.wants.listen, c.settings.https)
		add(port, portHTTPS, Location{GRPC: o.tags.has(tagGRPC)})
		if o.tags.has(tagHTTP) && o.wants.listen == 0 {
			redirect := Location{Redirect: true}
			if port != 443 {
				redirect.Port = Nginx(":" + strconv.Itoa(port))
			}
			add(c.settings.http, portHTTP, redirect)
		}
		return all
	}
	if o.tags.has(tagHTTP) {
		add(cmp.Or(o.wants.listen, c.settings.http), portHTTP, Location{})
	}
	if o.tags.has(tagGRPC) {
		add(cmp.Or(o.wants.listen, c.settings.grpc), portGRPC, Location{GRPC: true})
	}
	return all
}

// claim gives a service a path of a host at a port, if nobody has it.
func (c *claims) claim(o *offer, host Nginx, want wantedSite, cert *Certificate) {
	key := siteKey{want.port, host}
	path := pathKey{key, want.location.Path}
	of := want.location.of()
	if owner := c.owners[path]; owner != nil {
		c.note(of, "service %s does not get %s%s on port %d: %s", quote(o.service), host, want.location.Path, want.port, has(owner, o))
		return
	}
	site := c.sites[key]
	if !c.host(o, host, want.port, site != nil, of) || !c.port(o, want.port, want.kind, of) {
		return
	}
	if site == nil {
		site = &Site{Host: host, Listen: c.listen(want.port, want.kind), TLS: want.kind == portHTTPS}
		c.sites[key] = site
	}
	switch {
	case site.Certificate == nil && cert != nil && site.TLS:
		site.Certificate, c.certs[key] = cert, o
	case site.TLS && cert != nil && site.Certificate != cert:
		c.note(of, "the certificate of %s on port %d is not that of service %s: %s", host, want.port, quote(o.service), has(c.certs[key], o))
	}
	if c.hosts[host] == nil {
		c.hosts[host] = o
	}
	c.owners[path] = o
	site.Locations = append(site.Locations, want.location)
	site.Whole = site.Whole || want.location.Path == "/"
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

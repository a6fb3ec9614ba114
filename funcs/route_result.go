package funcs

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// routes gives all that was claimed, in order, and where it is as before the very same.
func (c *claims) routes() *Routes {
	r := &Routes{Upstreams: c.upstreams, Splits: c.splits, StreamUpstreams: c.streamUpstreams}
	for _, list := range [][]*Upstream{r.Upstreams, r.StreamUpstreams} {
		slices.SortFunc(list, func(a, b *Upstream) int { return strings.Compare(string(a.Name), string(b.Name)) })
	}
	slices.SortFunc(r.Splits, func(a, b *Split) int { return strings.Compare(a.Service, b.Service) })
	r.Sites, r.Streams = c.sortedSites(), c.sortedStreams()
	r.Listens, r.Certificates = c.listens(), certificatesOf(r.Sites)
	c.before = nil // which would keep all that ever was
	return r
}

func (c *claims) sortedSites() (all []*Site) {
	for _, key := range slices.SortedFunc(maps.Keys(c.sites), siteKey.compare) {
		site := c.sites[key]
		slices.SortFunc(site.Locations, func(a, b Location) int { return strings.Compare(string(a.Path), string(b.Path)) })
		if old := c.before.sites[key]; old != nil && old.equal(site) {
			site = old
			c.sites[key] = old
		}
		all = append(all, site)
	}
	return all
}

// listens gives where there are sites. That of http is there in any case.
func (c *claims) listens() (all []*Listen) {
	kinds := map[int]string{c.settings.http: portHTTP}
	for key := range c.sites {
		kinds[key.port] = c.ports[key.port].kind
	}
	for _, port := range slices.Sorted(maps.Keys(kinds)) {
		all = append(all, &Listen{c.listen(port, kinds[port]), kinds[port] == portHTTPS})
	}
	return all
}

// certificatesOf gives those that are to be written, each once.
func certificatesOf(sites []*Site) (all []*Certificate) {
	files := map[Nginx]bool{}
	for _, site := range sites {
		if cert := site.Certificate; cert != nil && cert.PEM != "" && !files[cert.Path] {
			files[cert.Path] = true
			all = append(all, cert)
		}
	}
	return all
}

func (c *claims) sortedStreams() (all []*Stream) {
	for _, port := range slices.Sorted(maps.Keys(c.streams)) {
		s := c.streams[port]
		slices.SortFunc(s.Hosts, func(a, b SNIHost) int { return strings.Compare(string(a.Host), string(b.Host)) })
		if old := c.before.streams[port]; old != nil && old.Listen == s.Listen && old.Pass == s.Pass && slices.Equal(old.Hosts, s.Hosts) {
			s = old
			c.streams[port] = old
		}
		all = append(all, s)
	}
	return all
}

func (k siteKey) compare(o siteKey) int {
	return cmp.Or(cmp.Compare(k.port, o.port), strings.Compare(string(k.host), string(o.host)))
}

func (s *Site) equal(o *Site) bool {
	return s.Host == o.Host && s.Listen == o.Listen && s.Certificate == o.Certificate && s.Whole == o.Whole && slices.Equal(s.Locations, o.Locations)
}

package funcs

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// madeRoutes are what was made the last time.
type madeRoutes struct {
	sites   map[siteKey]*Site
	streams map[int]*Stream
}

// routes gives what was claimed and is due to some tags, in order, and where it is as
// before the very same.
func (c *claims) routes(wanted tagSet, made *madeRoutes) *Routes {
	r := &Routes{Sites: c.sortedSites(wanted, made), Streams: c.sortedStreams(wanted, made)}
	r.Listens, r.Certificates = c.listens(r.Sites, wanted), certificatesOf(r.Sites)
	c.upstreamsOf(r)
	return r
}

// upstreamsOf adds what the sites and streams pass on to.
func (c *claims) upstreamsOf(r *Routes) {
	used := map[Nginx]bool{}
	for _, s := range r.Sites {
		for _, l := range s.Locations {
			used[l.Pass] = used[l.Pass] || !l.Redirect
		}
	}
	for _, s := range c.splits {
		if used[s.Variable] {
			r.Splits = append(r.Splits, s)
			for _, part := range s.Parts {
				r.Upstreams = append(r.Upstreams, part.Upstream)
			}
		}
	}
	r.Upstreams = append(r.Upstreams, upstreamsIn(used, c.upstreams)...)
	clear(used)
	for _, s := range r.Streams {
		used[s.Pass] = true
		for _, h := range s.Hosts {
			used[h.Pass] = true
		}
	}
	r.StreamUpstreams = upstreamsIn(used, c.streamUpstreams)
	for _, list := range [][]*Upstream{r.Upstreams, r.StreamUpstreams} {
		slices.SortFunc(list, func(a, b *Upstream) int { return strings.Compare(string(a.Name), string(b.Name)) })
	}
	slices.SortFunc(r.Splits, func(a, b *Split) int { return strings.Compare(a.Service, b.Service) })
}

func upstreamsIn(names map[Nginx]bool, list []*Upstream) (some []*Upstream) {
	for _, up := range list {
		if names[up.Name] {
			some = append(some, up)
		}
	}
	return some
}

func (c *claims) sortedSites(wanted tagSet, made *madeRoutes) (all []*Site) {
	before := made.sites
	made.sites = map[siteKey]*Site{}
	for _, key := range slices.SortedFunc(maps.Keys(c.sites), siteKey.compare) {
		site := c.sites[key].dueTo(wanted)
		if site == nil {
			continue
		}
		if old := before[key]; old != nil && old.equal(site) {
			site = old
		}
		made.sites[key] = site
		all = append(all, site)
	}
	return all
}

// dueTo gives a site with the locations that are due to some tags; nil without any.
func (s *Site) dueTo(tags tagSet) *Site {
	some := *s
	some.Whole, some.Locations = false, nil
	for _, l := range s.Locations {
		if l.of().any(tags) {
			some.Locations = append(some.Locations, l)
			some.Whole = some.Whole || l.Path == "/"
		}
	}
	slices.SortFunc(some.Locations, func(a, b Location) int { return strings.Compare(string(a.Path), string(b.Path)) })
	if len(some.Locations) == 0 {
		return nil
	}
	return &some
}

// listens gives where there are sites. That of http is there in any case.
func (c *claims) listens(sites []*Site, wanted tagSet) (all []*Listen) {
	shared := c.listen(c.settings.http, portHTTP)
	if wanted.has(tagHTTP) {
		all = append(all, &Listen{Address: shared, Shared: true})
	}
	last := shared
	for _, site := range sites { // by port
		if site.Listen != shared && site.Listen != last {
			all = append(all, &Listen{Address: site.Listen, TLS: site.TLS})
			last = site.Listen
		}
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

func (c *claims) sortedStreams(wanted tagSet, made *madeRoutes) (all []*Stream) {
	before := made.streams
	made.streams = map[int]*Stream{}
	if !wanted.has(tagTCP) {
		return nil
	}
	for _, port := range slices.Sorted(maps.Keys(c.streams)) {
		s := c.streams[port]
		slices.SortFunc(s.Hosts, func(a, b SNIHost) int { return strings.Compare(string(a.Host), string(b.Host)) })
		if old := before[port]; old != nil && old.Listen == s.Listen && old.Pass == s.Pass && slices.Equal(old.Hosts, s.Hosts) {
			s = old
		}
		made.streams[port] = s
		all = append(all, s)
	}
	return all
}

func (k siteKey) compare(o siteKey) int {
	return cmp.Or(cmp.Compare(k.port, o.port), strings.Compare(string(k.host), string(o.host)))
}

func (s *Site) equal(o *Site) bool {
	return s.Host == o.Host && s.Listen == o.Listen && s.TLS == o.TLS && s.Certificate == o.Certificate && s.Whole == o.Whole && slices.Equal(s.Locations, o.Locations)
}

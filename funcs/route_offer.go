package funcs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// offer is what a service wants, and what it has to offer for that. It does not change.
type offer struct {
	service  string
	list     []*watch.ServiceInstance // the answer
	settings *settings
	oldest   *watch.ServiceInstance
	age      uint64 // the lower, the older
	tags     tagSet
	wants    wants
	hosts    []Nginx // of http
	port     int     // of TCP, 0: that of all that are told apart by host
	http     *place  // nil where it has none, as the next one
	stream   *place
	notes    []note
}

// place is what is served at the hosts, paths and ports of a service.
type place struct {
	upstream *Upstream // nil: the service cannot be served as it is, and keeps its place
	versions *versions
}

// newOffer looks at the instances of a service that have one of the tags.
func newOffer(name string, list []*watch.ServiceInstance, s *settings) *offer {
	o := &offer{service: name, list: list, settings: s}
	own, others := byName(name, list)
	tagged := s.withTag(own, routedTags)
	for _, i := range tagged {
		o.tags = append(o.tags, s.tagsOf(i.Tags)...)
	}
	if len(tagged) == 0 {
		return o
	}
	if len(others) > 0 {
		o.note(o.tags, "service %s goes without the instances of %s: Consul takes the two names for one, so give it another", quote(name), quote(others[0].Name))
	}
	o.oldest = slices.MinFunc(tagged, older)
	o.age = o.oldest.CreateIndex
	o.read(tagged)
	return o
}

// note adds a note once, for all tags that it is said of.
func (o *offer) note(of tagSet, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for i := range o.notes {
		if o.notes[i].text == text {
			o.notes[i].of = slices.Concat(o.notes[i].of, of)
			return
		}
	}
	o.notes = append(o.notes, note{of, text})
}

// byName gives the instances of a service itself: Consul's index of services has no case,
// so that it answers with those of WEB for web, too. A sidecar has the tags and metadata
// of its service, and is not meant by them.
func byName(name string, list []*watch.ServiceInstance) (own, others []*watch.ServiceInstance) {
	for _, i := range list {
		switch {
		case i.Name != name:
			others = append(others, i)
		case i.Kind == "":
			own = append(own, i)
		}
	}
	return own, others
}

// older orders instances by their registration, and where that is not known by node and
// ID.
func older(a, b *watch.ServiceInstance) int {
	return cmp.Or(cmp.Compare(a.CreateIndex, b.CreateIndex), strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
}

// read reads what the service wants. What is wrong with one of http and TCP is no matter to
// the other. Where it is not known what place it wants it has none; with all else that is
// wrong it keeps its place, so that nobody comes into it by that.
func (o *offer) read(tagged []*watch.ServiceInstance) {
	wants, misplaced, unfit := wantsOf(o.oldest, o.settings)
	if o.wants = wants; misplaced != nil {
		o.note(o.tags, "service %s is left out: %s", quote(o.service), misplaced)
		return
	}
	listen := o.wants.listen
	if listen == 0 && o.tags.has(tagTCP) {
		listen = portInName(o.service)
	}
	o.wants.here = func(i *watch.ServiceInstance) bool { return o.settings.here(i, listen) }
	if unfit != nil {
		o.note(o.tags, "service %s is not served, and keeps its place: %s", quote(o.service), unfit)
	}
	for _, text := range append(unknownKeys(o.oldest), o.disagreement(tagged)...) {
		o.note(o.tags, "service %s: %s", quote(o.service), text)
	}
	if of := o.httpTags(); len(of) > 0 {
		o.readHTTP(o.settings.withTag(tagged, of), of, unfit == nil)
	}
	if o.tags.has(tagTCP) {
		o.readTCP(o.settings.withTag(tagged, tagSet{tagTCP}), unfit == nil)
	}
}

// httpTags are the tags of the service that are for the http block.
func (o *offer) httpTags() (some tagSet) {
	for _, tag := range []string{tagHTTP, tagGRPC} {
		if o.tags.has(tag) {
			some = append(some, tag)
		}
	}
	return some
}

func (o *offer) readHTTP(list []*watch.ServiceInstance, of tagSet, fit bool) {
	if o.hosts = o.wants.hosts; len(o.hosts) == 0 {
		host, err := hostOf(o.service, o.settings.domain)
		if err != nil {
			o.note(of, "service %s is left out: %s", quote(o.service), err)
			return
		}
		o.hosts = []Nginx{host}
	}
	if o.http = (&place{}); fit {
		o.http.upstream = o.upstream(list, of, false)
		o.http.versions = newVersions(routeNames, o.service, list, o.wants)
	}
}

func (o *offer) readTCP(list []*watch.ServiceInstance, fit bool) {
	if o.port = o.wants.listen; o.port == 0 && len(o.wants.hosts) == 0 {
		if o.port = portInName(o.service); o.port == 0 {
			o.note(tagSet{tagTCP}, "service %s is left out of TCP: it says no port: give %s, or a name such as web-9999; or %s for TLS", quote(o.service), metaListen, metaHost)
			return
		}
	}
	if fit && o.wants.secure && len(o.httpTags()) == 0 {
		fit = false
		o.note(tagSet{tagTCP}, "service %s is not served by TCP, and keeps its place: %s: connections are passed on as they are, so TLS is for the service itself: leave it out", quote(o.service), metaTLS)
	}
	if o.stream = (&place{}); fit {
		o.stream.upstream = o.upstream(list, tagSet{tagTCP}, true)
	}
}

// hostOf gives the host of a service that says none.
func hostOf(service, domain string) (Nginx, error) {
	host := strings.ToLower(service)
	if domain != "" {
		host += "." + domain
	}
	name, err := siteHost(host)
	if err != nil {
		return "", fmt.Errorf("its name cannot be that of a host: give %s", metaHost)
	}
	return name, nil
}

// upstream gives nil, and says so, where the service cannot be balanced as it wants.
func (o *offer) upstream(list []*watch.ServiceInstance, of tagSet, stream bool) *Upstream {
	up, notes, err := upstreamOf(routeNames, o.service, list, o.wants, stream)
	if err != nil {
		o.note(of, "service %s is not served by TCP, and keeps its place: %s", quote(o.service), err)
	}
	for _, text := range notes {
		o.note(of, "%s", text)
	}
	return up
}

// disagreement names the keys of the service that not all instances have the same of.
func (o *offer) disagreement(tagged []*watch.ServiceInstance) (texts []string) {
	for _, key := range serviceKeys {
		said := o.oldest.ServiceMeta[key]
		if slices.ContainsFunc(tagged, func(i *watch.ServiceInstance) bool { return i.ServiceMeta[key] != said }) {
			texts = append(texts, "its instances do not agree on "+key+": that of the oldest counts, "+quote(o.oldest.ID)+" on node "+quote(o.oldest.Node))
		}
	}
	return texts
}

// of tells whether an offer is of just this answer.
func (o *offer) of(list []*watch.ServiceInstance) bool {
	return len(list) == len(o.list) && (len(list) == 0 || &list[0] == &o.list[0])
}

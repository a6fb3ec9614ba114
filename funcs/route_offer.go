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
	oldest   *watch.ServiceInstance
	age      uint64 // the lower, the older
	wants    wants
	hosts    []Nginx         // of http
	port     int             // of TCP, 0: that of all that are told apart by host
	kinds    map[string]bool // by tag
	http     *Upstream       // nil where it has none, as the next one
	stream   *Upstream
	versions *versions
	notes    []string
}

// newOffer looks at the instances of a service that have one of the tags.
func newOffer(name string, list []*watch.ServiceInstance, tags []string, s *settings) *offer {
	o := &offer{service: name, list: list, kinds: map[string]bool{}}
	list, others := byName(name, list)
	if len(others) > 0 {
		o.notes = append(o.notes, fmt.Sprintf("service %s goes without the instances of %s: Consul takes the two names for one, so give it another", quote(name), quote(others[0].Name)))
	}
	tagged := withTag(list, tags...)
	for _, tag := range tags {
		o.kinds[tag] = len(withTag(tagged, tag)) > 0
	}
	if len(tagged) == 0 {
		return o
	}
	o.oldest = slices.MinFunc(tagged, older)
	o.age = o.oldest.CreateIndex
	if err := o.read(tagged, s); err != nil {
		o.notes = append(o.notes, "service "+quote(name)+" is left out: "+err.Error())
	}
	return o
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
// the other.
func (o *offer) read(tagged []*watch.ServiceInstance, s *settings) (err error) {
	if o.wants, err = wantsOf(o.oldest, s); err != nil {
		return err
	}
	for _, text := range append(unknownKeys(o.oldest), o.disagreement(tagged)...) {
		o.notes = append(o.notes, "service "+quote(o.service)+": "+text)
	}
	if o.kinds[tagHTTP] || o.kinds[tagGRPC] {
		if err := o.readHTTP(tagged, s); err != nil {
			o.notes = append(o.notes, "service "+quote(o.service)+" is left out: "+err.Error())
		}
	}
	if o.kinds[tagTCP] {
		if err := o.readTCP(tagged); err != nil {
			o.notes = append(o.notes, "service "+quote(o.service)+" is left out of TCP: "+err.Error())
		}
	}
	return nil
}

func (o *offer) readHTTP(tagged []*watch.ServiceInstance, s *settings) (err error) {
	if o.hosts = o.wants.hosts; len(o.hosts) == 0 {
		host, err := hostOf(o.service, s.domain)
		if err != nil {
			return err
		}
		o.hosts = []Nginx{host}
	}
	list := withTag(tagged, tagHTTP, tagGRPC)
	o.versions = newVersions(routeNames, o.service, list, o.wants)
	o.http, err = o.upstream(list, false)
	return err
}

func (o *offer) readTCP(tagged []*watch.ServiceInstance) (err error) {
	if o.port = o.wants.listen; o.port == 0 && len(o.wants.hosts) == 0 {
		if o.port = portInName(o.service); o.port == 0 {
			return fmt.Errorf("it says no port: give %s, or a name such as web-9999; or %s for TLS", metaListen, metaHost)
		}
	}
	o.stream, err = o.upstream(withTag(tagged, tagTCP), true)
	return err
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

// withTag gives the instances that have one of the tags.
func withTag(list []*watch.ServiceInstance, tags ...string) (some []*watch.ServiceInstance) {
	for _, i := range list {
		if slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(i.Tags, tag) }) {
			some = append(some, i)
		}
	}
	return some
}

func (o *offer) upstream(list []*watch.ServiceInstance, stream bool) (*Upstream, error) {
	up, notes, err := upstreamOf(routeNames, o.service, list, o.wants, stream)
	for _, text := range notes {
		if !slices.Contains(o.notes, text) {
			o.notes = append(o.notes, text)
		}
	}
	return up, err
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

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
	kinds    map[string]bool // by tag
	http     *Upstream
	stream   *Upstream
	versions *versions
	notes    []string
}

// newOffer looks at the instances of a service that have one of the tags.
func newOffer(name string, list []*watch.ServiceInstance, tags []string, s *settings) *offer {
	o := &offer{service: name, list: list, kinds: map[string]bool{}}
	var tagged []*watch.ServiceInstance
	for _, i := range list {
		wanted := false
		for _, tag := range tags {
			if slices.Contains(i.Tags, tag) {
				o.kinds[tag], wanted = true, true
			}
		}
		if wanted {
			tagged = append(tagged, i)
		}
	}
	if len(tagged) == 0 {
		return o
	}
	o.oldest = slices.MinFunc(tagged, older)
	o.age = o.oldest.CreateIndex
	if err := o.read(tagged, s); err != nil {
		o.leaveOut(err)
	}
	return o
}

// older orders instances by their registration, and where that is not known by node and
// ID.
func older(a, b *watch.ServiceInstance) int {
	return cmp.Or(cmp.Compare(a.CreateIndex, b.CreateIndex), strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
}

func (o *offer) read(tagged []*watch.ServiceInstance, s *settings) (err error) {
	if o.wants, err = wantsOf(o.oldest, s); err != nil {
		return err
	}
	for _, text := range append(unknownKeys(o.oldest), o.disagreement(tagged)...) {
		o.notes = append(o.notes, "service "+quote(o.service)+": "+text)
	}
	if err := o.name(s); err != nil {
		return err
	}
	if o.kinds[tagHTTP] || o.kinds[tagGRPC] {
		http := slices.DeleteFunc(slices.Clone(tagged), func(i *watch.ServiceInstance) bool {
			return !slices.Contains(i.Tags, tagHTTP) && !slices.Contains(i.Tags, tagGRPC)
		})
		if o.http, err = o.upstream(http, false); err != nil {
			return err
		}
		o.versions = newVersions(o.service, http, o.wants)
	}
	if o.kinds[tagTCP] {
		tcp := slices.DeleteFunc(slices.Clone(tagged), func(i *watch.ServiceInstance) bool { return !slices.Contains(i.Tags, tagTCP) })
		o.stream, err = o.upstream(tcp, true)
	}
	return err
}

func (o *offer) upstream(list []*watch.ServiceInstance, stream bool) (*Upstream, error) {
	up, notes, err := upstreamOf(o.service, list, o.wants, stream)
	for _, text := range notes {
		if !slices.Contains(o.notes, text) {
			o.notes = append(o.notes, text)
		}
	}
	return up, err
}

// name gives the service a host by its name where it says none, and a port.
func (o *offer) name(s *settings) error {
	if o.kinds[tagTCP] && o.wants.listen == 0 && len(o.wants.hosts) == 0 {
		if o.wants.listen = portInName(o.service); o.wants.listen == 0 {
			return fmt.Errorf("it says no port: give %s, or a name such as %s-9999; or %s for TLS", metaListen, "web", metaHost)
		}
	}
	if o.hosts = o.wants.hosts; len(o.hosts) > 0 || !o.kinds[tagHTTP] && !o.kinds[tagGRPC] {
		return nil
	}
	host := strings.ToLower(o.service)
	if s.domain != "" {
		host += "." + s.domain
	}
	name, err := nginxServerName(host)
	if err != nil {
		return fmt.Errorf("its name cannot be that of a host: give %s", metaHost)
	}
	o.hosts = []Nginx{name}
	return nil
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

// leaveOut leaves the service out. Its instances are of no interest then.
func (o *offer) leaveOut(err error) {
	o.http, o.stream, o.versions = nil, nil, nil
	o.notes = []string{"service " + quote(o.service) + " is left out: " + err.Error()}
}

// of tells whether an offer is of just this answer.
func (o *offer) of(list []*watch.ServiceInstance) bool {
	return len(list) == len(o.list) && (len(list) == 0 || &list[0] == &o.list[0])
}

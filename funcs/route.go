package funcs

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/ctmpl/ctmpl/watch"
)

// Routes is what the services of the catalog want of nginx, as far as they get it. Each
// part stays the very same from one execution to the next while nothing in it changes,
// so that loops over them cost what has changed. Nobody may change it.
type Routes struct {
	// For the http block.
	Upstreams    []*Upstream    // by service
	Splits       []*Split       // of services with a canary
	Listens      []*Listen      // each place with sites, and that of http in any case if it is wanted
	Sites        []*Site        // by port and host
	Certificates []*Certificate // of the sites, that come from keys

	// For the stream block.
	StreamUpstreams []*Upstream
	Streams         []*Stream // by port
}

// Listen is where http listens. A server without a name there answers for all hosts that
// nobody has.
type Listen struct {
	Address Nginx // as listen takes it, with ssl and http2
	TLS     bool
	Shared  bool // it is that of the variable http_listen, where the main file may have servers
}

// Site is a host at a port.
type Site struct {
	Host        Nginx
	Listen      Nginx
	Certificate *Certificate // nil without TLS, and where there is none that can be used
	TLS         bool
	Locations   []Location // by path
	Whole       bool       // one of them is /
}

// Location is what becomes of the requests for a path and all below.
type Location struct {
	Path     Nginx
	Service  string
	Pass     Nginx // the upstream, or a variable with its name
	GRPC     bool
	Unfit    bool  // the service cannot be served as it is: 503
	Redirect bool  // to https
	Port     Nginx // of https, with the colon before it; "" for the usual one
}

// Stream is where connections are passed on as they are.
type Stream struct {
	Listen Nginx
	Pass   Nginx     // the upstream, or a variable with its name; that of Hosts, if there are any
	Hosts  []SNIHost // TLS: by the name that the client asks for
}

// SNIHost is where the connections to a host are passed on to.
type SNIHost struct{ Host, Pass Nginx }

// router makes routes for one template.
type router struct {
	x        *Execution
	sandbox  string
	settings func() (*settings, error)
	offers   map[string]*offer      // each is good for as long as the answer is the same
	made     map[string]*madeRoutes // by the tags that they are of
	certs    map[certRef]*Certificate
}

func newRouter(x *Execution, opt Options) *router {
	return &router{x: x, sandbox: opt.Sandbox, settings: settingsOf(opt.Vars), made: map[string]*madeRoutes{}, certs: map[certRef]*Certificate{}}
}

// funcs are the functions for templates.
func (r *router) funcs() template.FuncMap {
	return template.FuncMap{
		"nginxRoutes": r.nginxRoutes, "nginxUpstream": r.nginxUpstream, "nginxStreamUpstream": r.nginxStreamUpstream, "nginxSplit": r.nginxSplit,
	}
}

// nginxRoutes gives what services want of nginx, by their tags http, grpc and tcp and
// their metadata, as far as they get it. What they do not get is told in log and status.
// With tags as arguments it is the part that is due to these: who gets what is decided for
// all of them, so that the files of a host, and the hosts of a fleet, decide alike.
func (r *router) nginxRoutes(tags ...string) (*Routes, error) {
	s, err := r.settings()
	if err != nil {
		return nil, err
	}
	wanted, err := s.served(tags)
	if err != nil {
		return nil, fmt.Errorf("nginxRoutes: %w", err)
	}
	all := r.ask(s)
	if r.x.waits() {
		return &Routes{}, nil
	}
	c := newClaims(s)
	from := r.sources(s)
	for _, o := range all {
		c.take(o, from)
	}
	if r.x.waits() { // for keys and files
		return &Routes{}, nil
	}
	for _, n := range c.notes {
		if n.of.any(wanted) {
			r.x.note(n.text)
		}
	}
	return c.routes(wanted, r.madeFor(tags)), nil
}

func (r *router) madeFor(tags []string) *madeRoutes {
	key := strings.Join(tags, ",")
	if r.made[key] == nil {
		r.made[key] = &madeRoutes{}
	}
	return r.made[key]
}

// The tags that ask for a route.
const (
	tagHTTP = "http"
	tagGRPC = "grpc"
	tagTCP  = "tcp"
)

var routedTags = tagSet{tagHTTP, tagGRPC, tagTCP}

// tagSet are some of these.
type tagSet []string

func (t tagSet) has(tag string) bool { return slices.Contains(t, tag) }

func (t tagSet) any(others tagSet) bool { return slices.ContainsFunc(t, others.has) }

// note is what is told of a service by those who want one of its tags.
type note struct {
	of   tagSet
	text string
}

// ask gives what services offer, the oldest first: that is the order of their claims.
func (r *router) ask(s *settings) (all []*offer) {
	asked := map[string]*offer{}
	list := read(r.x.Reader, watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{})
	for _, summary := range list {
		if len(s.tagsOf(summary.Tags)) == 0 {
			continue
		}
		if !askable(summary.Name) {
			r.x.note("service " + quote(summary.Name) + " is left out: nobody can ask for a service of that name")
			continue
		}
		list := r.instances(summary.Name)
		o := r.offers[summary.Name]
		if o == nil || !o.of(list) {
			o = newOffer(summary.Name, list, s)
		}
		asked[summary.Name] = o
		if o.oldest != nil { // else it has just gone, or has not come yet
			all = append(all, o)
		}
	}
	r.offers = asked
	slices.SortStableFunc(all, func(a, b *offer) int {
		return cmp.Or(cmp.Compare(a.age, b.age), strings.Compare(a.service, b.service))
	})
	return all
}

// instances gives all instances of a service: a host stays with it when none is up.
func (r *router) instances(name string) []*watch.ServiceInstance {
	return read(r.x.Reader, watch.Query{Kind: watch.KindService, Name: name, Params: inAnyState}, []*watch.ServiceInstance{})
}

// inAnyState are the parameters of a query without regard to health.
var inAnyState = url.Values{"filter": {watch.StatusAny}}.Encode()

func (r *router) sources(s *settings) *sources {
	return &sources{x: r.x, settings: s, sandbox: r.sandbox, certs: r.certs}
}

// askable tells whether a name can be part of the path of a request.
func askable(name string) bool {
	odd := func(c rune) bool { return c == '/' || unicode.IsControl(c) }
	return name != "" && name != "." && name != ".." && len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsFunc(name, odd)
}

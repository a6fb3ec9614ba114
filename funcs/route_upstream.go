package funcs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// Upstream is the instances of a service that are up. Nobody may change it.
type Upstream struct {
	Service   string
	Name      Nginx
	Zone      Nginx // name and size
	Balance   Nginx // a directive, or ""
	Keepalive int   // 0: none, as in stream
	KeptFor   Nginx // how long each of these may serve; "": as long as nginx lets it
	Servers   []Server
}

// Within gives the upstream with connections that serve for no longer than a time, such as
// "10s", before they are made anew: as long may pass until the other end looks again at
// whether they are allowed.
func (u *Upstream) Within(time any) (*Upstream, error) {
	limit, err := nginxDuration(time)
	if u == nil || err != nil {
		return nil, err
	}
	bounded := *u
	bounded.KeptFor = limit
	return &bounded, nil
}

// Server is one instance.
type Server struct {
	Address    Nginx
	Parameters Nginx // with a space before each
	Comment    Nginx
}

// upstreamOf makes an upstream, and says which instances are left out of it.
func upstreamOf(n names, service string, list []*watch.ServiceInstance, w wants, stream bool) (up *Upstream, notes []string, err error) {
	up = &Upstream{Service: service, Name: n.upstream(service), Balance: w.balance.http(), Keepalive: w.keepalive}
	zone := "http."
	if stream {
		zone, up.Keepalive = "tcp.", 0
		if up.Balance, err = w.balance.stream(); err != nil {
			return nil, nil, err
		}
	}
	var parts []serverParts
	for _, i := range list {
		if watch.Down(i) {
			continue
		}
		p, err := serverPartsOf(i, w)
		if err == nil && w.here != nil && w.here(i) {
			err = errors.New("its address is that of nginx itself, which would ask itself")
		}
		if err != nil {
			notes = append(notes, Whose(i)+" is left out: "+err.Error())
			continue
		}
		parts = append(parts, p)
	}
	if strings.HasPrefix(string(up.Balance), "hash ") {
		fewPoints(parts)
	}
	up.Servers = servers(parts)
	up.Zone = Nginx(zone + string(up.Name) + " " + zoneSize(len(parts)))
	return up, notes, nil
}

// mostPoints is the largest weight with hash: nginx makes 160 points of each, and a
// thousand instances of weight 100 take it three seconds (nginx 1.22).
const mostPoints = 20

// fewPoints scales weights down to that.
func fewPoints(parts []serverParts) {
	most := 0
	for _, p := range parts {
		most = max(most, p.weight)
	}
	for i := range parts {
		if most > mostPoints {
			parts[i].weight = max(1, (parts[i].weight*mostPoints+most/2)/most)
		}
	}
}

// zoneSize is enough for a number of servers: nginx 1.22 takes about a kilobyte for each
// with an address of version 6, and a zone that is too small is an error.
func zoneSize(servers int) string {
	size := 64
	for ; size < 2*servers; size *= 2 {
	}
	return strconv.Itoa(size) + "k"
}

// serverParts are the parameters of an instance.
type serverParts struct {
	server      Server
	weight      int
	maxConns    int
	maxFails    int // -1: not said
	failTimeout Nginx
	backup      bool
}

func serverPartsOf(i *watch.ServiceInstance, w wants) (serverParts, error) {
	p := serverParts{maxFails: w.maxFails, failTimeout: w.failTimeout}
	address, err := nginxServer(i)
	if err != nil {
		return p, reasonOf(err)
	}
	p.server.Address = address
	if p.server.Comment, err = nginxComment(i.ID + " on " + i.Node); err != nil {
		p.server.Comment = ""
	}
	if p.weight, err = nginxWeight(i); err != nil {
		return p, reasonOf(err)
	}
	r := &metaReader{meta: i.ServiceMeta}
	r.read(metaWeight, func(text string) (err error) { p.weight, err = wholeFrom(text, 1, maxWeight); return err })
	r.read(metaMaxConns, func(text string) (err error) { p.maxConns, err = nginxInt(text); return err })
	r.read(metaMaxFails, func(text string) (err error) { p.maxFails, err = nginxInt(text); return err })
	r.read(metaFailTimeout, func(text string) (err error) { p.failTimeout, err = failTimeout(text); return err })
	r.read(metaBackup, func(text string) (err error) {
		if p.backup, err = strconv.ParseBool(text); err != nil {
			return errors.New("want true or false")
		}
		if p.backup && !w.balance.spares() {
			return errors.New("nginx has no backup with " + metaBalance + " " + w.balance.method)
		}
		return nil
	})
	return p, r.err
}

// failTimeout gives a time in whole seconds: nginx takes no parts of one for this, and
// refuses all of a configuration for it.
func failTimeout(text string) (Nginx, error) {
	limit, err := nginxDuration(text)
	if err != nil || strings.HasSuffix(string(limit), "ms") {
		return "", errors.New("want a time in whole seconds, such as 5s or 1m30s")
	}
	return limit, nil
}

// reasonOf is an error without the name of the function.
func reasonOf(err error) error {
	if refused, ok := err.(*ValueError); ok {
		return errors.New(refused.Reason)
	}
	return err
}

// servers writes parameters. When no other instance is up, those that are a backup
// serve: nginx takes no upstream with nothing else.
func servers(parts []serverParts) []Server {
	all := make([]Server, len(parts))
	common, spare := 0, true
	for _, p := range parts {
		common, spare = gcd(p.weight, common), spare && p.backup
	}
	for i, p := range parts {
		var b strings.Builder
		if w := p.weight / common; w != 1 {
			fmt.Fprintf(&b, " weight=%d", w)
		}
		if p.maxConns > 0 {
			fmt.Fprintf(&b, " max_conns=%d", p.maxConns)
		}
		if p.maxFails >= 0 {
			fmt.Fprintf(&b, " max_fails=%d", p.maxFails)
		}
		if p.failTimeout != "" {
			b.WriteString(" fail_timeout=" + string(p.failTimeout))
		}
		if p.backup && !spare {
			b.WriteString(" backup")
		}
		all[i] = p.server
		all[i].Parameters = Nginx(b.String())
	}
	return all
}

package funcs

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
)

// names are the beginnings of what routes and templates of one's own call things in nginx,
// where the main file and other files have names, too: nobody can name what is there by
// the name of a service.
type names struct{ upstreams, variables Nginx }

var (
	ownNames   = names{}
	routeNames = names{"_route.", "ctmpl_"}
)

// upstream gives the name of the upstream of a service.
func (n names) upstream(service string) Nginx { return n.upstreams + upstreamNameOf(service) }

// variable gives the name of a variable for a service. Those of routes nobody has to
// write, so that they are all of one length.
func (n names) variable(what, service string) Nginx {
	if n == ownNames && variableName.MatchString(service) {
		return Nginx(what + "_" + service)
	}
	return n.variables + Nginx(what+"_x_"+shortSum(service))
}

// variableName is the name of a service that a variable can end with. With one of more
// than 46 characters nginx refuses the configuration (variables_hash_bucket_size 64).
var variableName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// named gives the upstream by another name.
func (u *Upstream) named(name Nginx) *Upstream {
	other := *u
	other.Name = name
	other.Zone = Nginx(strings.Replace(string(u.Zone), string(u.Name), string(name), 1))
	return &other
}

// At gives the upstream by the name of a way into the mesh: the service and where nginx
// listens for it. So several ways to one service can be in one configuration.
func (u *Upstream) At(listen string) *Upstream {
	if u == nil {
		return nil
	}
	return u.named("_connect." + u.Name + "." + Nginx(notInName.ReplaceAllString(strings.ToLower(listen), "-")))
}

// notInName is what a name made up for an upstream has a - for.
var notInName = regexp.MustCompile(`[^a-z0-9_.]+`)

// upstreamNameOf gives the name of the upstream of a service: its own if it can be one,
// else one that is like it and that no other service has. Those with _ first are kept.
func upstreamNameOf(service string) Nginx {
	_, err := netip.ParseAddr(service)
	if name, wrong := nginxName(service); wrong == nil && err != nil && !strings.HasPrefix(service, "_") {
		return name
	}
	like := strings.Trim(notInName.ReplaceAllString(strings.ToLower(service), "-"), "-")
	return Nginx("_x." + like[:min(len(like), 40)] + "." + shortSum(service))
}

// shortSum tells names apart that are alike.
func shortSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

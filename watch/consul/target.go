package consul

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"
)

// target is where the requests of a prober go, and what each has: the same as a request of
// the client.
type target struct {
	https    bool
	address  string     // with port
	prefix   string     // of a path, with /v1/
	defaults url.Values // of the query: namespace, partition, datacenter
	head     string     // of the request, below its first line
}

// newTarget looks at a request of a client with this configuration.
func newTarget(c *api.Config) (target, *http.Request, error) {
	var sample *http.Request
	copied := *c
	copied.HttpClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sample = r
		return nil, errors.New("not to be sent")
	})}
	client, err := api.NewClient(&copied)
	if err != nil {
		return target{}, nil, err
	}
	if _, err = client.Raw().Query("/v1/", nil, nil); sample == nil {
		return target{}, nil, err
	}
	t := target{
		https: sample.URL.Scheme == "https", address: sample.URL.Host,
		prefix: strings.TrimSuffix(sample.URL.EscapedPath(), "/") + "/", defaults: sample.URL.Query(),
	}
	if sample.URL.Port() == "" {
		t.address = net.JoinHostPort(sample.URL.Hostname(), map[bool]string{true: "443", false: "80"}[t.https])
	}
	var b strings.Builder
	b.WriteString(" HTTP/1.1\r\nHost: " + sample.URL.Host + "\r\n")
	_ = sample.Header.Write(&b) // to memory
	t.head = b.String() + "\r\n"
	return t, sample, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// query is that of a probe in a scope, with further parameters.
func (t target) query(k scopeKey, stale bool, more url.Values) string {
	v := maps.Clone(t.defaults)
	maps.Copy(v, more)
	for name, value := range map[string]string{"dc": k.dc, "ns": k.ns, "partition": k.partition} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if stale {
		v.Set("stale", "")
	}
	return "?" + v.Encode()
}

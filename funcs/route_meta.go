package funcs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/watch"
)

// The keys of the metadata that are read. The first ones are of a service: what its oldest
// instance says counts. The others are of each instance.
const (
	metaHost        = "nginx_host"
	metaPath        = "nginx_path"
	metaListen      = "nginx_listen"
	metaBalance     = "nginx_lb"
	metaKeepalive   = "nginx_keepalive"
	metaTLS         = "nginx_tls"
	metaWeight      = "nginx_weight"
	metaMaxConns    = "nginx_max_conns"
	metaMaxFails    = "nginx_max_fails"
	metaFailTimeout = "nginx_fail_timeout"
	metaBackup      = "nginx_backup"
	metaVersion     = "version"
)

var (
	serviceKeys  = []string{metaHost, metaPath, metaListen, metaBalance, metaKeepalive, metaTLS}
	instanceKeys = []string{metaWeight, metaMaxConns, metaMaxFails, metaFailTimeout, metaBackup}
)

// MetaKeys are the keys of metadata that routes are made of.
func MetaKeys() []string { return append(slices.Concat(serviceKeys, instanceKeys), metaVersion) }

// wants is what a service says of itself.
type wants struct {
	hosts     []Nginx
	path      Nginx
	listen    int // 0: not said
	balance   balance
	keepalive int
	secure    bool
	tls       certRef // when it is secure

	here        func(*watch.ServiceInstance) bool // tells whether nginx itself listens there; nil: nobody knows
	maxFails    int                               // of instances that say nothing; -1: nginx's own
	failTimeout Nginx
}

// defaultKeepalive is how many idle connections a worker keeps to a service.
const defaultKeepalive = 16

// wantsOf reads what an instance says for its service. The errors name the key: misplaced
// is about where the service wants to be, unfit about all else.
func wantsOf(i *watch.ServiceInstance, s *settings) (w wants, misplaced, unfit error) {
	r := &metaReader{meta: i.ServiceMeta}
	w = wants{path: "/", secure: i.ServiceMeta[metaTLS] != "", keepalive: defaultKeepalive, maxFails: s.maxFails, failTimeout: s.failTimeout}
	w.balance, _ = balanceOf(s.balance)
	r.read(metaHost, func(text string) (err error) { w.hosts, err = hosts(text); return err })
	r.read(metaPath, func(text string) (err error) { w.path, err = nginxPath(text); return err })
	r.read(metaListen, func(text string) (err error) { w.listen, err = nginxPort(text); return err })
	misplaced, r.err = r.err, nil
	r.read(metaBalance, func(text string) (err error) { w.balance, err = balanceOf(text); return err })
	r.read(metaKeepalive, func(text string) (err error) { w.keepalive, err = wholeFrom(text, 0, 1024); return err })
	r.read(metaTLS, func(text string) (err error) { w.tls, err = certRefOf(text); return err })
	return w, misplaced, r.err
}

// hosts reads names with commas between them.
func hosts(text string) (all []Nginx, err error) {
	for name := range strings.SplitSeq(text, ",") {
		host, err := siteHost(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return all, nil
}

// siteHost gives the name of a host that a service may have. One that ends with a number
// could be an address.
func siteHost(name string) (Nginx, error) {
	host, err := nginxServerName(name)
	if err == nil && host[strings.LastIndexByte(name, '.')+1] < 'a' {
		err = errors.New("want a host name, not an address")
	}
	return host, err
}

// metaReader reads metadata. It keeps the first error, which holds no value.
type metaReader struct {
	meta map[string]string
	err  error
}

// read has a value read; one that is empty is none.
func (r *metaReader) read(key string, set func(string) error) {
	text := r.meta[key]
	if text == "" || r.err != nil {
		return
	}
	if err := set(text); err != nil {
		reason := err.Error()
		if refused, ok := err.(*ValueError); ok {
			reason = refused.Reason
		}
		r.err = fmt.Errorf("%s: %s", key, reason)
	}
}

// wholeFrom reads a whole number that is not less than one and not more than another.
func wholeFrom(text string, least, most int) (int, error) {
	n, ok := whole(text)
	if !ok || n < int64(least) || n > int64(most) {
		return 0, fmt.Errorf("want a whole number, %d to %d", least, most)
	}
	return int(n), nil
}

// unknownKeys are those that look as if they were meant for nginx.
func unknownKeys(i *watch.ServiceInstance) (texts []string) {
	known := slices.Concat(serviceKeys, instanceKeys)
	for _, key := range slices.Sorted(maps.Keys(i.ServiceMeta)) {
		if strings.HasPrefix(key, "nginx_") && !slices.Contains(known, key) {
			texts = append(texts, fmt.Sprintf("there is no key %.80q of metadata%s", key, conf.DidYouMean(key, slices.Clone(known))))
		}
	}
	return texts
}

// portInName is the number that ends a name, as in tcpfront-9999; 0 for none.
func portInName(name string) int {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || len(name)-i-1 > 5 {
		return 0
	}
	n, err := strconv.ParseUint(name[i+1:], 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

func quote(name string) string { return fmt.Sprintf("%.80q", name) }

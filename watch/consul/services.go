package consul

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// lists keeps the last list of the services of each query. Consul (v1.20) sends it again with
// every change of an instance, though hardly any of these changes the list: but for the tags of a
// service, which come in any order.
type lists struct {
	seed maphash.Seed

	mu   sync.Mutex
	last map[watch.Query]list
}

// list is a list of services, with the print of the body that it was made of.
type list struct {
	print    uint64
	services []*watch.ServiceSummary
}

// mostLists bounds how many are kept.
const mostLists = 16

func newLists() *lists { return &lists{seed: maphash.MakeSeed(), last: map[watch.Query]list{}} }

// read is the reader of lists of services.
func (l *lists) read(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	var body json.RawMessage
	meta, err := c.Raw().Query("/v1/catalog/services", &body, opts)
	if err != nil {
		return nil, nil, err
	}
	now := l.print(body)
	l.mu.Lock()
	last, ok := l.last[q]
	l.mu.Unlock()
	if ok && last.print == now {
		return last.services, meta, nil
	}
	services, err := summaries(body)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == mostLists {
		clear(l.last)
	}
	l.last[q] = list{now, services}
	return services, meta, nil
}

// summaries reads the body of an answer.
func summaries(body []byte) ([]*watch.ServiceSummary, error) {
	var services map[string][]string
	if err := json.Unmarshal(body, &services); err != nil {
		return nil, err
	}
	list := make([]*watch.ServiceSummary, 0, len(services))
	for name, tags := range services {
		list = append(list, &watch.ServiceSummary{Name: name, Tags: watch.SortTags(tags)})
	}
	slices.SortFunc(list, func(a, b *watch.ServiceSummary) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// print is the same for the same names with the same tags, in any order: the sum of the hashes of
// the names, and of each tag with the name before it.
func (l *lists) print(body []byte) (sum uint64) {
	var hash maphash.Hash
	hash.SetSeed(l.seed)
	var name []byte
	for within := false; ; { // the list of tags
		at := bytes.IndexAny(body, `"[]`)
		if at < 0 {
			return sum
		}
		sign := body[at]
		if body = body[at+1:]; sign != '"' {
			within = sign == '['
			continue
		}
		var text []byte
		text, body = cutText(body)
		hash.Reset()
		if within {
			_, _ = hash.Write(text)
			_ = hash.WriteByte('"') // which is in none of them
		} else {
			name = text
		}
		_, _ = hash.Write(name)
		sum += hash.Sum64()
	}
}

// cutText gives what is before the quote that ends a JSON string, and after it.
func cutText(b []byte) (text, rest []byte) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

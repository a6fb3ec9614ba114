package watch

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// enterpriseParams are the parameters that a query may carry behind "?".
var enterpriseParams = []string{"ns", "partition", "peer", "sameness-group"}

// The grammar of the arguments is consul-template's, so that each string that it
// takes or refuses is taken or refused here too
// (https://github.com/hashicorp/consul-template/blob/v0.41.1/docs/templating-language.md).
const (
	dcPart     = `(?:@(?P<dc>[\w.\-]+))?`
	nearPart   = `(?:~(?P<near>[\w.\-]+))?`
	paramsPart = `(?:\?(?P<query>[\w\-=&]+))?`
	filterPart = `(?:\|(?P<filter>[\w,]+))?`
	tagPart    = `(?:(?P<tag>[\w=:.\-]+)\.)?`
	keyPart    = `/?(?P<name>[^@?]+)`
)

// grammar is how the argument of one template function is written.
type grammar struct {
	re    *regexp.Regexp
	usage string
}

var (
	serviceGrammar  = newGrammar(tagPart+`(?P<name>[\w\-]+)`+paramsPart+dcPart+nearPart+filterPart, `[tag.]name[?ns=…][@dc][~near][|filter,…]`)
	servicesGrammar = newGrammar(paramsPart+dcPart, `[?ns=…][@dc]`)
	nodesGrammar    = newGrammar(paramsPart+dcPart+nearPart, `[?ns=…][@dc][~near]`)
	nodeGrammar     = newGrammar(`(?P<name>[\w.\-]+)`+paramsPart+dcPart, `name[?ns=…][@dc]`)
	keyGrammar      = newGrammar(keyPart+paramsPart+dcPart, `path[?ns=…][@dc]`)
	peeringsGrammar = newGrammar(paramsPart, `[?partition=…]`)
)

func newGrammar(pattern, usage string) grammar {
	return grammar{re: regexp.MustCompile(`\A` + pattern + `\z`), usage: usage}
}

// parse reads arg, the argument of the template function fn.
func (g grammar) parse(fn, kind, arg string) (Query, url.Values, error) {
	m := g.re.FindStringSubmatch(arg)
	if m == nil {
		return Query{}, nil, fmt.Errorf("%s: cannot read %q: want %s", fn, arg, g.usage)
	}
	q := Query{Kind: kind}
	params := url.Values{}
	for i, name := range g.re.SubexpNames() {
		switch value := m[i]; {
		case name == "" || value == "":
		case name == "name":
			q.Name = value
		case name == "query":
			if err := addEnterprise(params, kind, value); err != nil {
				return Query{}, nil, fmt.Errorf("%s: cannot read %q: %w", fn, arg, err)
			}
		default:
			params.Set(name, value)
		}
	}
	return q, params, nil
}

// addEnterprise adds the parameters behind "?" to params. As in consul-template,
// those that do not count for a kind are taken, and left out.
func addEnterprise(params url.Values, kind, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(enterpriseParams, name) {
			return fmt.Errorf("unknown parameter %q: known are %s", name, strings.Join(enterpriseParams, ", "))
		}
		if v := values.Get(name); v != "" && counts(kind, name) {
			params.Set(name, v)
		}
	}
	return nil
}

// counts tells whether a parameter behind "?" has an effect on a kind of query.
func counts(kind, name string) bool {
	switch kind {
	case KindService, KindConnect:
		return true
	case KindPeerings:
		return name == "partition"
	}
	return name == "ns" || name == "partition"
}

// ParseService reads the argument of service:
// [tag.]name[?ns=&partition=&peer=&sameness-group=][@dc][~near][|filter,filter].
// Without a filter only passing instances are asked for.
func ParseService(arg string) (Query, error) { return parseInstances("service", KindService, arg) }

// ParseConnect reads the argument of connect, which is that of service.
func ParseConnect(arg string) (Query, error) { return parseInstances("connect", KindConnect, arg) }

func parseInstances(fn, kind, arg string) (Query, error) {
	q, params, err := serviceGrammar.parse(fn, kind, arg)
	if err != nil {
		return Query{}, err
	}
	if params.Has("peer") && params.Has("sameness-group") {
		return Query{}, fmt.Errorf("%s: %q has both peer and sameness-group: give one of them", fn, arg)
	}
	filter, err := parseFilter(params.Get("filter"))
	if err != nil {
		return Query{}, fmt.Errorf("%s: cannot read %q: %w", fn, arg, err)
	}
	params.Set("filter", filter)
	q.Params = params.Encode()
	return q, nil
}

// parseFilter brings a list of health states into its one spelling. A list of
// nothing but commas selects nothing, as it does in consul-template.
func parseFilter(list string) (string, error) {
	if list == "" {
		return StatusPassing, nil
	}
	var states []string
	for state := range strings.SplitSeq(list, ",") {
		if state == "" {
			continue
		}
		if !slices.Contains(filterStates, state) {
			return "", fmt.Errorf("unknown filter %q: known are %s", state, strings.Join(filterStates, ", "))
		}
		states = append(states, state)
	}
	if len(states) == 0 {
		return filterNone, nil
	}
	slices.Sort(states)
	return strings.Join(slices.Compact(states), ","), nil
}

// ParseServices reads the argument of services: [?ns=…][@dc].
func ParseServices(arg string) (Query, error) {
	return servicesGrammar.query("services", KindServices, arg)
}

// ParseNodes reads the argument of nodes: [?ns=…][@dc][~near].
func ParseNodes(arg string) (Query, error) {
	return nodesGrammar.query("nodes", KindNodes, arg)
}

// ParseNode reads the argument of node: name[?ns=…][@dc]; none is the agent's own.
func ParseNode(arg string) (Query, error) {
	if arg == "" {
		return Query{Kind: KindNode}, nil
	}
	return nodeGrammar.query("node", KindNode, arg)
}

// ParseKey reads the argument of key, keyExists and keyOrDefault (kind KindKey or
// KindLookup): path[?ns=…][@dc]. One leading slash is dropped. fn is the
// function's name, for the error.
func ParseKey(fn, kind, arg string) (Query, error) {
	return keyGrammar.query(fn, kind, arg)
}

// ParsePrefix reads the argument of ls and tree: prefix[?ns=…][@dc].
func ParsePrefix(fn, arg string) (Query, error) {
	return keyGrammar.query(fn, KindPrefix, arg)
}

// ParsePeerings reads the argument of peerings: [?partition=…].
func ParsePeerings(arg string) (Query, error) {
	return peeringsGrammar.query("peerings", KindPeerings, arg)
}

// ParsePartition reads the argument of exportedServices and importedServices (kind
// KindExported or KindImported): the name of a partition, which may be any text, or
// nothing.
func ParsePartition(kind, partition string) Query {
	q := Query{Kind: kind}
	if partition != "" {
		q.Params = url.Values{"partition": {partition}}.Encode()
	}
	return q
}

func (g grammar) query(fn, kind, arg string) (Query, error) {
	q, params, err := g.parse(fn, kind, arg)
	if err != nil {
		return Query{}, err
	}
	q.Params = params.Encode()
	return q, nil
}

// FileIfAny makes a query for a file one that is answered with "" while there is none that
// can be read, in place of no answer.
func FileIfAny(q Query) Query {
	params := url.Values{"if-any": {"true"}}
	if sandbox := q.Param("sandbox"); sandbox != "" {
		params.Set("sandbox", sandbox)
	}
	q.Params = params.Encode()
	return q
}

// ParseFile reads the argument of file. With a sandbox, a directory, the path has
// to be below it.
func ParseFile(path, sandbox string) (Query, error) {
	path = strings.TrimSpace(path)
	if path == "" {
		return Query{}, errors.New("file: the path is blank")
	}
	q := Query{Kind: KindFile, Name: path}
	if sandbox == "" {
		return q, nil
	}
	if below, err := filepath.Rel(sandbox, path); err != nil || !filepath.IsLocal(below) {
		return Query{}, fmt.Errorf("file: %q is outside of sandbox_path", path)
	}
	q.Params = url.Values{"sandbox": {sandbox}}.Encode()
	return q, nil
}

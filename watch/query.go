package watch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The kinds of query, and the type of their answers.
const (
	KindDatacenters = "datacenters" // []string, sorted
	KindServices    = "services"    // []*ServiceSummary, by name
	KindService     = "service"     // []*ServiceInstance, by node and ID
	KindNodes       = "nodes"       // []*Node, by name and address
	KindNode        = "node"        // *NodeDetail
	KindKey         = "key"         // string; no answer while the key is missing
	KindLookup      = "lookup"      // Lookup; a missing key is an answer
	KindPrefix      = "prefix"      // []*KeyPair, in Consul's order
	KindFile        = "file"        // string; no answer while the file is missing
)

// Query is one question to a source. It is comparable and serves as the key
// everywhere: in the store, in the scheduler and in what a template has read.
type Query struct {
	Kind string
	Name string // of the service, node, key, prefix or file
	// Params are the parameters beyond the name as an encoded query string
	// (url.Values.Encode, so sorted): dc, near, tag, filter, ns, partition, peer,
	// sameness-group, ignore-failing, sandbox. The same question always has the same one.
	Params string
}

// Set is a set of queries.
type Set map[Query]struct{}

// Add puts q into the set.
func (s Set) Add(q Query) { s[q] = struct{}{} }

// Sorted gives the queries in a stable order, for messages.
func (s Set) Sorted() []Query {
	return slices.SortedFunc(maps.Keys(s), Query.Compare)
}

// Compare orders queries by kind, name and parameters.
func (q Query) Compare(o Query) int {
	return cmp.Or(strings.Compare(q.Kind, o.Kind), strings.Compare(q.Name, o.Name), strings.Compare(q.Params, o.Params))
}

// Param gives one parameter, "" when it is not set.
func (q Query) Param(name string) string {
	if q.Params == "" {
		return ""
	}
	values, err := url.ParseQuery(q.Params)
	if err != nil { // Params comes from url.Values.Encode
		return ""
	}
	return values.Get(name)
}

// String gives the query as one would write it in a template:
// service "http.web@dc1|any".
func (q Query) String() string {
	arg := q.Name
	if strings.HasPrefix(arg, "/") && q.Kind != KindFile {
		arg = "/" + arg // of a key the first one is dropped
	}
	if tag := q.Param("tag"); tag != "" {
		arg = tag + "." + arg
	}
	values, _ := url.ParseQuery(q.Params)
	var scope []string
	for _, name := range enterpriseParams {
		if v := values.Get(name); v != "" {
			scope = append(scope, name+"="+v)
		}
	}
	if len(scope) > 0 {
		arg += "?" + strings.Join(scope, "&")
	}
	if dc := values.Get("dc"); dc != "" {
		arg += "@" + dc
	}
	if near := values.Get("near"); near != "" {
		arg += "~" + near
	}
	if filter := values.Get("filter"); filter != "" && filter != StatusPassing {
		arg += "|" + filter
	}
	name := q.Kind
	switch q.Kind {
	case KindLookup:
		name = "keyExists"
	case KindPrefix:
		name = "ls"
	case KindDatacenters:
		if values.Get("ignore-failing") != "" {
			return name + " true"
		}
	}
	if arg == "" {
		return name
	}
	return fmt.Sprintf("%s %q", name, arg)
}

// enterpriseParams are the parameters that a query may carry behind "?". The first
// two count for every kind of query, the others for services alone.
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
		at := slices.Index(enterpriseParams, name)
		if at < 0 {
			return fmt.Errorf("unknown parameter %q: known are %s", name, strings.Join(enterpriseParams, ", "))
		}
		if v := values.Get(name); v != "" && (at < 2 || kind == KindService) {
			params.Set(name, v)
		}
	}
	return nil
}

// ParseService reads the argument of service:
// [tag.]name[?ns=&partition=&peer=&sameness-group=][@dc][~near][|filter,filter].
// Without a filter only passing instances are asked for.
func ParseService(arg string) (Query, error) {
	q, params, err := serviceGrammar.parse("service", KindService, arg)
	if err != nil {
		return Query{}, err
	}
	if params.Has("peer") && params.Has("sameness-group") {
		return Query{}, fmt.Errorf("service: %q has both peer and sameness-group: give one of them", arg)
	}
	filter, err := parseFilter(params.Get("filter"))
	if err != nil {
		return Query{}, fmt.Errorf("service: cannot read %q: %w", arg, err)
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

func (g grammar) query(fn, kind, arg string) (Query, error) {
	q, params, err := g.parse(fn, kind, arg)
	if err != nil {
		return Query{}, err
	}
	q.Params = params.Encode()
	return q, nil
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

package watch

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The kinds of query, and the type of their answers.
const (
	KindDatacenters = "datacenters" // []string, sorted
	KindServices    = "services"    // []*ServiceSummary, by name
	KindService     = "service"     // []*ServiceInstance, by node and ID
	KindConnect     = "connect"     // the same, of the ways to a service in the mesh
	KindNodes       = "nodes"       // []*Node, by name and address
	KindNode        = "node"        // *NodeDetail
	KindKey         = "key"         // string; no answer while the key is missing
	KindLookup      = "lookup"      // Lookup; a missing key is an answer
	KindPrefix      = "prefix"      // []*KeyPair, in Consul's order
	KindFile        = "file"        // string; no answer while the file is missing

	KindRoots      = "caRoots"          // []*CARoot, in Consul's order
	KindLeaf       = "caLeaf"           // *LeafCert
	KindPeerings   = "peerings"         // []*Peering, by state, partition and name
	KindPartitions = "partitions"       // []*Partition, by name
	KindExported   = "exportedServices" // []ExportedService, by name
	KindImported   = "importedServices" // []ImportedService, by name
)

// Query is one question to a source. It is comparable and serves as the key
// everywhere: in the store, in the scheduler and in what a template has read.
type Query struct {
	Kind string
	Name string // of the service, node, key, prefix or file, where the kind has one
	// Params are the parameters beyond the name as an encoded query string
	// (url.Values.Encode, so sorted): dc, near, tag, filter, ns, partition, peer,
	// sameness-group, ignore-failing, sandbox, if-any. The same question always has the same one.
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
	for pair := range strings.SplitSeq(q.Params, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name { // none of the names is changed by escaping
			value, _ = url.QueryUnescape(value)
			return value
		}
	}
	return ""
}

// String gives the query as one would write it in a template:
// service "http.web@dc1|any".
func (q Query) String() string {
	name := q.Kind
	switch q.Kind {
	case KindLookup:
		name = "keyExists"
	case KindPrefix:
		name = "ls"
	case KindDatacenters:
		if q.Param("ignore-failing") != "" {
			return name + " true"
		}
	}
	if arg := q.argument(); arg != "" {
		return fmt.Sprintf("%s %q", name, arg)
	}
	return name
}

// argument is what a Parse function reads as q.
func (q Query) argument() string {
	values, _ := url.ParseQuery(q.Params)
	arg := q.Name
	switch q.Kind {
	case KindExported, KindImported:
		return values.Get("partition")
	case KindKey, KindLookup, KindPrefix:
		if strings.HasPrefix(arg, "/") {
			arg = "/" + arg // the first one is dropped
		}
	}
	if tag := values.Get("tag"); tag != "" {
		arg = tag + "." + arg
	}
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
	return arg
}

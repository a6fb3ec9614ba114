package watch

import (
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// The field names of these types are what templates see; they are
// consul-template's.

// ServiceSummary is one entry of services: a name, and the tags of all its
// instances, sorted and each once.
type ServiceSummary struct {
	Name string
	Tags []string
}

// ServiceInstance is one instance of a service with the health of it and its
// node. The fields with names and order of consul-template come first, so that
// toJSON and toYAML give the same bytes; what ctmpl adds is not part of those.
type ServiceInstance struct {
	Node                   string
	NodeID                 string
	NodeAddress            string
	NodeTaggedAddresses    map[string]string
	NodeMeta               map[string]string
	ServiceMeta            map[string]string
	Address                string // the node's when the service has none of its own
	ServiceTaggedAddresses map[string]api.ServiceAddress
	ID                     string
	Name                   string
	Tags                   []string         // sorted
	Checks                 api.HealthChecks // of the instance and of its node
	Status                 string           // the worst of the checks: passing, warning, critical or maintenance
	Port                   int
	Weights                api.AgentWeights

	Kind           string `json:"-" yaml:"-" toml:"-"` // "" for a typical service, else connect-proxy, mesh-gateway, …
	NodeDatacenter string `json:"-" yaml:"-" toml:"-"`
	Namespace      string `json:"-" yaml:"-" toml:"-"`
	Partition      string `json:"-" yaml:"-" toml:"-"`
	CreateIndex    uint64 `json:"-" yaml:"-" toml:"-"` // of the instance: the older, the lower. 0 when it is not known
}

// Down tells whether an instance is not to be used: it is critical or in maintenance.
func Down(i *ServiceInstance) bool {
	return i.Status == StatusCritical || i.Status == StatusMaintenance
}

// Meta is the same as ServiceMeta.
func (i *ServiceInstance) Meta() map[string]string { return i.ServiceMeta }

// Node is one node of the catalog.
type Node struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
}

// NodeDetail is one node with its services, by name and ID. Node is nil when
// there is no such node.
type NodeDetail struct {
	Node     *Node
	Services []*NodeService
}

// NodeService is a service as node lists it.
type NodeService struct {
	ID                string
	Service           string
	Tags              []string // sorted
	Meta              map[string]string
	Port              int
	Address           string
	EnableTagOverride bool
}

// KeyPair is one key of the KV store.
type KeyPair struct {
	Path  string // in full
	Key   string // relative to the prefix that was asked for
	Value string

	CreateIndex uint64
	ModifyIndex uint64
	LockIndex   uint64
	Flags       uint64
	Session     string
}

// Lookup is the answer for a key that may be missing.
type Lookup struct {
	Found bool
	Value string
}

// Health states of an instance, the worst last. The first three are also those of
// a check.
const (
	StatusPassing     = api.HealthPassing
	StatusWarning     = api.HealthWarning
	StatusCritical    = api.HealthCritical
	StatusMaintenance = api.HealthMaint
)

// What a filter can ask for beside the states.
const (
	StatusAny  = api.HealthAny
	filterNone = "," // takes nothing: a list without a state in it
)

var filterStates = []string{StatusAny, StatusPassing, StatusWarning, StatusCritical, StatusMaintenance}

// Accepts tells whether the filter of a service query takes an instance in this state.
func (q Query) Accepts(status string) bool {
	for state := range strings.SplitSeq(q.Param("filter"), ",") {
		if state == StatusAny || state == status && state != "" {
			return true
		}
	}
	return false
}

// PassingOnly tells whether the query asks for passing instances alone, which a
// source can select by itself.
func (q Query) PassingOnly() bool { return q.Param("filter") == StatusPassing }

// SortTags gives a sorted copy; templates rely on a slice that is not nil.
func SortTags(tags []string) []string {
	sorted := append(make([]string, 0, len(tags)), tags...)
	slices.Sort(sorted)
	return sorted
}

// HasTag matches as Consul does, without regard to case. Any tags match no tag.
func HasTag(tags []string, tag string) bool {
	return tag == "" || slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// SortInstances orders the instances of a service by node and ID.
func SortInstances(list []*ServiceInstance) {
	slices.SortStableFunc(list, func(a, b *ServiceInstance) int {
		if c := strings.Compare(a.Node, b.Node); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// SortNodes orders nodes by name and address.
func SortNodes(list []*Node) {
	slices.SortStableFunc(list, func(a, b *Node) int {
		if c := strings.Compare(a.Node, b.Node); c != 0 {
			return c
		}
		return strings.Compare(a.Address, b.Address)
	})
}

// SortNodeServices orders the services of a node by name and ID.
func SortNodeServices(list []*NodeService) {
	slices.SortStableFunc(list, func(a, b *NodeService) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// RelativeKey is the key of a pair below prefix, without slashes at its start.
func RelativeKey(path, prefix string) string {
	return strings.TrimLeft(strings.TrimPrefix(path, prefix), "/")
}

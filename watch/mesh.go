package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The types of the service mesh and of what connects Consul's clusters. Names and
// order of the fields are consul-template's, as are the tags: types of consul/api
// have a further field now and then, which toJSON and toYAML would show.

// CARoot is a certificate of the mesh's certificate authority.
type CARoot struct {
	ID          string
	Name        string
	RootCertPEM string `json:"RootCert"`
	Active      bool   // new certificates are signed with it

	CreateIndex uint64
	ModifyIndex uint64
}

// LeafCert is the certificate of a service, with its private key: a secret.
type LeafCert struct {
	SerialNumber  string // hexadecimal, bytes separated by :
	CertPEM       string `json:",omitempty"`
	PrivateKeyPEM string `json:",omitempty"`

	Service    string
	ServiceURI string

	ValidAfter  time.Time
	ValidBefore time.Time

	CreateIndex uint64
	ModifyIndex uint64
}

// Peering is a connection to another cluster.
type Peering struct {
	ID                  string
	Name                string
	Partition           string
	Meta                map[string]string
	PeeringState        string // ACTIVE, PENDING, FAILING, …
	PeerID              string
	PeerServerName      string
	PeerServerAddresses []string
	StreamStatus        PeeringStreamStatus
	Remote              PeeringRemoteInfo
}

// PeeringStreamStatus is what goes over a peering. A time is nil for never.
type PeeringStreamStatus struct {
	ImportedServices []string
	ExportedServices []string
	LastHeartbeat    *time.Time
	LastReceive      *time.Time
	LastSend         *time.Time
}

// PeeringRemoteInfo is where a peering leads to.
type PeeringRemoteInfo struct {
	Partition  string
	Datacenter string
}

// Partition is an admin partition of Consul Enterprise.
type Partition struct {
	Name        string
	Description string
}

// ExportedService is a service that others may use. Partition and Namespace are
// always empty, as they are in consul-template.
type ExportedService struct {
	Service   string
	Partition string
	Namespace string
	Consumers ResolvedConsumers
}

// ResolvedConsumers are those that a service is exported to; no list is nil.
type ResolvedConsumers struct {
	Peers      []string
	Partitions []string
}

// ImportedService is a service of another partition or peer.
type ImportedService struct {
	Service         string
	Namespace       string
	SourcePartition string

	SourcePeer string `json:"-" yaml:"-" toml:"-"` // ctmpl's own
}

// SortPeerings orders peerings by state, partition and name.
func SortPeerings(list []*Peering) {
	slices.SortStableFunc(list, func(a, b *Peering) int {
		return cmp.Or(strings.Compare(a.PeeringState, b.PeeringState), strings.Compare(a.Partition, b.Partition), strings.Compare(a.Name, b.Name))
	})
}

package consul

import (
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// readConnect selects by tag itself: an agent (v1.20) does not heed the tag in a
// first answer, and in one nearest first, but does in a blocking one.
func readConnect(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	entries, meta, err := c.Health().Connect(q.Name, q.Param("tag"), q.PassingOnly(), opts)
	if err != nil {
		return nil, nil, err
	}
	other := func(i *watch.ServiceInstance) bool { return !watch.HasTag(i.Tags, q.Param("tag")) }
	return slices.DeleteFunc(instances(entries, q), other), meta, nil
}

func readRoots(c *api.Client, _ watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	roots, meta, err := c.Agent().ConnectCARoots(opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]*watch.CARoot, 0, len(roots.Roots))
	for _, r := range roots.Roots {
		list = append(list, &watch.CARoot{
			ID: r.ID, Name: r.Name, RootCertPEM: r.RootCertPEM, Active: r.Active, CreateIndex: r.CreateIndex, ModifyIndex: r.ModifyIndex,
		})
	}
	return list, meta, nil
}

func readLeaf(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	leaf, meta, err := c.Agent().ConnectCALeaf(q.Name, opts)
	if err != nil {
		return nil, nil, err
	}
	return &watch.LeafCert{
		SerialNumber: leaf.SerialNumber, CertPEM: leaf.CertPEM, PrivateKeyPEM: leaf.PrivateKeyPEM,
		Service: leaf.Service, ServiceURI: leaf.ServiceURI, ValidAfter: leaf.ValidAfter, ValidBefore: leaf.ValidBefore,
		CreateIndex: leaf.CreateIndex, ModifyIndex: leaf.ModifyIndex,
	}, meta, nil
}

func readPeerings(c *api.Client, _ watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	peerings, meta, err := c.Peerings().List(opts.Context(), opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]*watch.Peering, 0, len(peerings))
	for _, p := range peerings {
		list = append(list, peering(p))
	}
	watch.SortPeerings(list)
	return list, meta, nil
}

func peering(p *api.Peering) *watch.Peering {
	return &watch.Peering{
		ID: p.ID, Name: p.Name, Partition: p.Partition, Meta: p.Meta, PeeringState: string(p.State),
		PeerID: p.PeerID, PeerServerName: p.PeerServerName, PeerServerAddresses: p.PeerServerAddresses,
		StreamStatus: watch.PeeringStreamStatus{
			ImportedServices: p.StreamStatus.ImportedServices, ExportedServices: p.StreamStatus.ExportedServices,
			LastHeartbeat: p.StreamStatus.LastHeartbeat, LastReceive: p.StreamStatus.LastReceive, LastSend: p.StreamStatus.LastSend,
		},
		Remote: watch.PeeringRemoteInfo{Partition: p.Remote.Partition, Datacenter: p.Remote.Datacenter},
	}
}

func readExported(c *api.Client, _ watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	services, meta, err := c.ExportedServices(opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]watch.ExportedService, 0, len(services))
	for _, s := range services {
		list = append(list, watch.ExportedService{
			Service:   s.Service,
			Consumers: watch.ResolvedConsumers{Peers: orEmpty(s.Consumers.Peers), Partitions: orEmpty(s.Consumers.Partitions)},
		})
	}
	slices.SortStableFunc(list, func(a, b watch.ExportedService) int { return strings.Compare(a.Service, b.Service) })
	return list, meta, nil
}

func readImported(c *api.Client, _ watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	services, meta, err := c.ImportedServices(opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]watch.ImportedService, 0, len(services))
	for _, s := range services {
		list = append(list, watch.ImportedService{Service: s.Service, Namespace: s.Namespace, SourcePartition: s.SourcePartition, SourcePeer: s.SourcePeer})
	}
	slices.SortStableFunc(list, func(a, b watch.ImportedService) int { return strings.Compare(a.Service, b.Service) })
	return list, meta, nil
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

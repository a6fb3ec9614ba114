package watch

import (
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"
)

// What follows compares all that a template can see, field by field: comparing by
// reflection would take longer than reading an answer. Empty and nil count as different,
// since toJSON shows that.

func equalSummaries(a, b *ServiceSummary) bool {
	return a == b || a.Name == b.Name && equalLists(a.Tags, b.Tags)
}

func equalInstances(a, b *ServiceInstance) bool {
	return a == b || a.ID == b.ID && a.Name == b.Name && a.Kind == b.Kind && a.Node == b.Node && a.NodeID == b.NodeID &&
		a.Address == b.Address && a.Port == b.Port && a.Status == b.Status && a.Weights == b.Weights && a.CreateIndex == b.CreateIndex &&
		a.NodeAddress == b.NodeAddress && a.NodeDatacenter == b.NodeDatacenter && a.Namespace == b.Namespace && a.Partition == b.Partition &&
		equalLists(a.Tags, b.Tags) && equalMaps(a.ServiceMeta, b.ServiceMeta) && equalMaps(a.ServiceTaggedAddresses, b.ServiceTaggedAddresses) &&
		equalMaps(a.NodeMeta, b.NodeMeta) && equalMaps(a.NodeTaggedAddresses, b.NodeTaggedAddresses) &&
		(a.Checks == nil) == (b.Checks == nil) && slices.EqualFunc(a.Checks, b.Checks, EqualChecks)
}

// EqualChecks tells whether two checks are the same in all they say.
func EqualChecks(a, b *api.HealthCheck) bool {
	return a == b || a.Node == b.Node && a.CheckID == b.CheckID && a.Name == b.Name && a.Status == b.Status &&
		a.Notes == b.Notes && a.Output == b.Output && a.ServiceID == b.ServiceID && a.ServiceName == b.ServiceName &&
		a.Type == b.Type && a.Namespace == b.Namespace && a.Partition == b.Partition && a.PeerName == b.PeerName &&
		a.ExposedPort == b.ExposedPort && a.CreateIndex == b.CreateIndex && a.ModifyIndex == b.ModifyIndex &&
		equalLists(a.ServiceTags, b.ServiceTags) && equalDefinitions(&a.Definition, &b.Definition)
}

func equalDefinitions(a, b *api.HealthCheckDefinition) bool {
	return a.HTTP == b.HTTP && a.Method == b.Method && a.Body == b.Body && a.TLSServerName == b.TLSServerName &&
		a.TLSSkipVerify == b.TLSSkipVerify && a.TCP == b.TCP && a.TCPUseTLS == b.TCPUseTLS && a.UDP == b.UDP &&
		a.GRPC == b.GRPC && a.GRPCUseTLS == b.GRPCUseTLS && a.OSService == b.OSService && a.SessionName == b.SessionName &&
		a.IntervalDuration == b.IntervalDuration && a.TimeoutDuration == b.TimeoutDuration &&
		a.DeregisterCriticalServiceAfterDuration == b.DeregisterCriticalServiceAfterDuration &&
		a.Interval == b.Interval && a.Timeout == b.Timeout && a.DeregisterCriticalServiceAfter == b.DeregisterCriticalServiceAfter &&
		(a.Header == nil) == (b.Header == nil) && maps.EqualFunc(a.Header, b.Header, equalLists[string])
}

func equalNodes(a, b *Node) bool {
	return a == b || a != nil && b != nil && a.ID == b.ID && a.Node == b.Node && a.Address == b.Address && a.Datacenter == b.Datacenter &&
		equalMaps(a.TaggedAddresses, b.TaggedAddresses) && equalMaps(a.Meta, b.Meta)
}

func equalNodeServices(a, b *NodeService) bool {
	return a == b || a.ID == b.ID && a.Service == b.Service && a.Port == b.Port && a.Address == b.Address &&
		a.EnableTagOverride == b.EnableTagOverride && equalLists(a.Tags, b.Tags) && equalMaps(a.Meta, b.Meta)
}

func equalPairs(a, b *KeyPair) bool { return a == b || *a == *b }

func equalLists[E comparable](a, b []E) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

func equalMaps[V comparable](a, b map[string]V) bool {
	return (a == nil) == (b == nil) && maps.Equal(a, b)
}

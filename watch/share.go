package watch

import (
	"reflect"
	"slices"
)

// share gives what to keep of an answer that comes after another one, and tells whether
// they are equal: then it is the one before. Otherwise elements of a list that are equal
// to one before are that one, so that what was made of them is known to be good still.
// Neither answer is changed.
func share(before, after any) (kept any, same bool) {
	switch after := after.(type) {
	case []*ServiceInstance:
		return shareAny(before, after, equalInstances, func(i *ServiceInstance) place { return place{i.Node, i.ID} })
	case []*ServiceSummary:
		return shareAny(before, after, equalSummaries, func(s *ServiceSummary) string { return s.Name })
	case []*Node:
		return shareAny(before, after, equalNodes, func(n *Node) string { return n.Node })
	case []*KeyPair:
		return shareAny(before, after, equalPairs, func(p *KeyPair) string { return p.Path })
	case *NodeDetail:
		return shareDetail(before, after)
	}
	if reflect.DeepEqual(before, after) { // the others are small, or a few
		return before, true
	}
	return after, false
}

func shareDetail(before any, after *NodeDetail) (kept any, same bool) {
	old, ok := before.(*NodeDetail)
	if !ok || old == nil || after == nil {
		return after, false
	}
	node, sameNode := after.Node, equalNodes(old.Node, after.Node)
	if sameNode {
		node = old.Node
	}
	services, sameServices := shareList(old.Services, after.Services, equalNodeServices, func(s *NodeService) string { return s.ID })
	if sameNode && sameServices {
		return old, true
	}
	return &NodeDetail{Node: node, Services: services}, false
}

func shareAny[E any, K comparable](before any, after []*E, equal func(a, b *E) bool, identity func(*E) K) (kept any, same bool) {
	old, ok := before.([]*E)
	if !ok {
		return after, false
	}
	return shareList(old, after, equal, identity)
}

// shareList first passes over what is equal at both ends, which mostly leaves just what
// has changed, and looks the rest up by its identity.
func shareList[E any, K comparable](before, after []*E, equal func(a, b *E) bool, identity func(*E) K) (kept []*E, same bool) {
	head, tail, both := 0, 0, min(len(before), len(after))
	for head < both && equal(before[head], after[head]) {
		head++
	}
	if len(before) == len(after) && head == both && (before == nil) == (after == nil) {
		return before, true
	}
	for tail < both-head && equal(before[len(before)-1-tail], after[len(after)-1-tail]) {
		tail++
	}
	kept = slices.Clone(after)
	copy(kept, before[:head])
	copy(kept[len(kept)-tail:], before[len(before)-tail:])
	old := make(map[K]*E)
	for _, e := range before[head : len(before)-tail] {
		old[identity(e)] = e
	}
	for i, e := range kept[head : len(after)-tail] {
		if o, ok := old[identity(e)]; ok && equal(o, e) {
			kept[head+i] = o
		}
	}
	return kept, false
}

package consul

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// anInstance is one of a few on a few nodes, in one of several states.
func anInstance(random *rand.Rand) *watch.ServiceInstance {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	node, id := pick("n1", "n2", "n3"), pick("a", "b", "c")
	i := &watch.ServiceInstance{
		Node: node, NodeID: node, NodeAddress: pick("10.0.0.1", "10.0.0.2"), NodeDatacenter: pick("dc1", "dc2"), ID: id, Name: pick("web", "web", "WEB"),
		Tags: [][]string{{}, {"x"}, {"x", "y"}}[random.IntN(3)], Partition: pick("", "", "p"), Status: pick("passing", "critical"),
	}
	i.Address = pick(i.NodeAddress, "10.9.9.9")
	if random.IntN(2) == 0 {
		i.NodeMeta, i.ServiceMeta = map[string]string{"v": pick("1", "2")}, map[string]string{"w": pick("1", "2")}
		i.NodeTaggedAddresses = map[string]string{"lan": pick("10.0.0.1", "10.0.0.2")}
		i.ServiceTaggedAddresses = map[string]api.ServiceAddress{"lan": {Address: i.NodeAddress, Port: random.IntN(3)}}
	}
	for range random.IntN(4) {
		i.Checks = append(i.Checks, &api.HealthCheck{
			Node: pick(node, "n4"), CheckID: pick("alive", "health"), Name: pick("x", "y"), Status: pick("passing", "critical"), ServiceID: pick("", id, "z"),
			ServiceName: pick("", "web"), ServiceTags: [][]string{nil, {}, {"x"}}[random.IntN(3)], Output: pick("", "ok"),
		})
	}
	return i
}

// Interning changes no value, neither of this answer nor of one before.
func TestInterningChangesNothing(t *testing.T) {
	t.Parallel()
	one, two := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	var n interner
	type pair struct{ given, interned []*watch.ServiceInstance }
	var pairs []pair
	for range 500 {
		var p pair
		size := one.IntN(6)
		two.IntN(6)
		for range size {
			p.given, p.interned = append(p.given, anInstance(one)), append(p.interned, anInstance(two))
		}
		n.value(p.interned)
		pairs = append(pairs, p)
	}
	for _, p := range pairs {
		if diff := cmp.Diff(p.given, p.interned); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWhatIsTheSameIsThereOnce(t *testing.T) {
	t.Parallel()
	body := bodyOf(1, 2, 1)
	s := sourceOf(t, &body)
	first := fetch(t, s, passing("svc-1")).([]*watch.ServiceInstance)
	body = bodyOf(2, 1, 1)
	second := fetch(t, s, passing("svc-2")).([]*watch.ServiceInstance)
	a, b, c := first[0], first[1], second[0]
	for what, list := range map[string][]any{
		"metadata of the node": {a.NodeMeta, b.NodeMeta, c.NodeMeta}, "addresses of the node": {a.NodeTaggedAddresses, b.NodeTaggedAddresses, c.NodeTaggedAddresses},
		"check of the node": {a.Checks[0], b.Checks[0], c.Checks[0]}, "metadata": {a.ServiceMeta, b.ServiceMeta}, "tags": {a.Tags, b.Tags, b.Checks[1].ServiceTags},
		"name of the node": {unsafe.StringData(a.Node), unsafe.StringData(c.Node), unsafe.StringData(c.Checks[1].Node)},
		"address":          {unsafe.StringData(a.Address), unsafe.StringData(c.NodeAddress), unsafe.StringData(c.ServiceTaggedAddresses["lan_ipv4"].Address)},
		"name of a check":  {unsafe.StringData(a.Checks[1].Name), unsafe.StringData(c.Checks[1].Name)},
	} {
		for _, v := range list {
			if reflect.ValueOf(v).Pointer() != reflect.ValueOf(list[0]).Pointer() {
				t.Errorf("%s: there are two", what)
			}
		}
	}
}

// Answers that come at the same time have the parts of a node in common, and are read
// while others come in.
func TestInterningAtTheSameTime(t *testing.T) {
	t.Parallel()
	var n interner
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(w)))
			var held []*watch.ServiceInstance
			for range 300 {
				list := []*watch.ServiceInstance{anInstance(random), anInstance(random)}
				n.value(list)
				held = append(held, list...)
				other := held[random.IntN(len(held))]
				_ = fmt.Sprint(*other, maps.Clone(other.NodeMeta))
			}
		})
	}
	group.Wait()
}

func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	var r recent[int, *int]
	kept := r.get(-1, func() *int { return new(int) })
	for i := range 10 * keepRecent {
		r.get(i, func() *int { return new(int) })
		if again := r.get(-1, func() *int { return nil }); again != kept {
			t.Fatalf("what is used all the time is gone after %d", i)
		}
	}
	if n := len(r.now) + len(r.before); n > 2*keepRecent {
		t.Errorf("%d are kept", n)
	}
	if r.get(0, func() *int { return nil }) != nil {
		t.Error("what nobody has used for long is kept")
	}
}

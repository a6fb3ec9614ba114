package consul_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// A key that comes and goes between two lists of its prefix is in neither of them, and an answer in
// between has it.
func TestKeysThatComeAndGo(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	src := newSource(t, consul.Config{Address: agent.HTTPAddr, MaxStale: 2 * time.Second, Connections: 40})
	store, ready := watch.NewStore(), make(chan bool, 1)
	s := watch.NewScheduler(src, store, watch.Options{Name: "Consul", Log: slog.New(&herald{text: "sentinels look after them", seen: ready})})
	set := watch.Set{}
	for i := range 100 {
		set.Add(lookup(fmt.Sprint("app/k", i)))
	}
	s.Want(set)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	<-ready
	kv := agent.Client.KV()
	for i := range 100 {
		name := fmt.Sprint("app/k", i)
		if _, err := kv.Put(&api.KVPair{Key: name, Value: []byte("v")}, nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i%8) * time.Millisecond) // so that it happens at another moment each time
		if _, err := kv.Delete(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for q := range set {
		servers.Eventually(t, deadline, func() error {
			if v, _, _ := store.Get(q); v != (watch.Lookup{}) {
				return fmt.Errorf("%s: %v", q, v)
			}
			return nil
		})
	}
}

// The index of a prefix falls when it is deleted with what is around it: what is left is the last
// delete of one of its keys alone. Where there never was a key it is 1.
func TestIndexOfAnEmptyPrefix(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	src := newSource(t, consul.Config{Address: agent.HTTPAddr})
	q := watch.Query{Kind: watch.KindPrefix, Name: "app/a/"}
	if a := fetch(t, src, q, 0, 0); a.Version != 1 {
		t.Errorf("index %d before the first key", a.Version)
	}
	kv := agent.Client.KV()
	put := func() (*api.WriteMeta, error) { return kv.Put(&api.KVPair{Key: "app/a/k"}, nil) }
	remove := func() (*api.WriteMeta, error) { return kv.Delete("app/a/k", nil) }
	for _, step := range []func() (*api.WriteMeta, error){put, remove, put} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	before := fetch(t, src, q, 0, 0)
	if _, err := kv.DeleteTree("app/", nil); err != nil {
		t.Fatal(err)
	}
	after := fetch(t, src, q, 0, 0)
	if n, _ := watch.Len(after.Value); n > 0 || after.Version >= before.Version || after.Version <= 1 {
		t.Errorf("%d keys with index %d, which was %d before", n, after.Version, before.Version)
	}
}

// herald is a slog.Handler that tells when a line is logged.
type herald struct {
	problems
	text string
	seen chan bool
}

func (h *herald) Enabled(context.Context, slog.Level) bool { return true }

func (h *herald) Handle(_ context.Context, r slog.Record) error {
	if len(r.Message) >= len(h.text) && r.Message[len(r.Message)-len(h.text):] == h.text {
		h.seen <- true
	}
	return nil
}

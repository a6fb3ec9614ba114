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

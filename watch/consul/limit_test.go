package consul

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// A request for which there is no place at the agent yet waits for it, and that is not the
// silence of the agent.
func TestToWaitForAPlaceIsNoSilence(t *testing.T) {
	t.Parallel()
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "7")
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(agent.Close)
	for _, q := range []watch.Query{{Kind: watch.KindLookup, Name: "a"}, {Kind: watch.KindDatacenters}, {Kind: watch.KindPartitions}} {
		t.Run(q.String(), func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{Address: agent.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const silence, taken = 2 * time.Second, 3 * time.Second
			s.silence = silence
			b := s.transport.budget
			b.allowed, b.growAt = fewest, time.Now().Add(time.Hour)
			for range fewest {
				b.keep(taken)
			}
			if _, err := s.Fetch(t.Context(), q, 0, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

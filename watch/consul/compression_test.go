package consul

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

func TestOnThisMachine(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9:8500": true, "[::1]:8500": true, "unix:///run/s": true, "https://127.0.0.1/x": true,
		"10.0.0.1": false, "consul.example": false, "[fe80::1]": false, "": false,
	} {
		if got := onThisMachine(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// What an agent on this machine sends is not compressed.
func TestNoCompression(t *testing.T) {
	t.Parallel()
	accepted := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted <- r.Header.Get("Accept-Encoding")
		_, _ = w.Write([]byte("[]"))
	}))
	defer server.Close()
	s, err := New(Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, s, watch.Query{Kind: watch.KindNodes})
	if got := <-accepted; got != "" {
		t.Errorf("%q is asked for", got)
	}
}

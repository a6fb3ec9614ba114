package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestOnlyRefusalsAreCounted has two servers, one of which refuses some requests.
func TestOnlyRefusalsAreCounted(t *testing.T) {
	statuses := []int{http.StatusOK, http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusTooManyRequests}
	next := 0
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[next%len(statuses)])
		next++
	}))
	defer counted.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	defer other.Close()

	refused, err := countRefusals(counted.Listener.Addr().(*net.TCPAddr).Port)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("no right to see packets")
	}
	if err != nil {
		t.Fatal(err)
	}
	for range statuses {
		get(t, counted.URL)
		get(t, other.URL)
	}
	if got := refused.stop(); got != 3 {
		t.Errorf("counted %d, want 3", got)
	}
}

func get(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

package servers

import (
	"context"
	"slices"
	"testing"
	"time"
)

// Eventually calls f every few milliseconds until it returns nil, and fails the
// test with its last error when the deadline has passed.
func Eventually(t testing.TB, deadline time.Duration, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := Wait(ctx, f); err != nil {
		t.Fatalf("not within %s: %v", deadline, err)
	}
}

// RunConsul is StartConsul for a test.
func RunConsul(t testing.TB, opts ConsulOptions) *Consul {
	t.Helper()
	c, err := StartConsul(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		showLog(t, c.LogPath())
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// RunCluster is StartCluster for a test.
func RunCluster(t testing.TB, n int, opts ConsulOptions) *Cluster {
	t.Helper()
	c, err := StartCluster(t.Context(), n, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, agent := range slices.Concat(c.Servers, c.Clients) {
			showLog(t, agent.LogPath())
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// showLog adds the end of a server's log to the output of a test that failed.
func showLog(t testing.TB, path string) {
	if t.Failed() {
		t.Log(path + tailOf(path))
	}
}

// RunNginx is StartNginx for a test.
func RunNginx(t testing.TB, dir, conf string) *Nginx {
	t.Helper()
	n, err := StartNginx(t.Context(), dir, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		showLog(t, n.ErrorLog)
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// RunHTTPBackend is StartHTTPBackend for a test.
func RunHTTPBackend(t testing.TB, id string) *HTTPBackend {
	t.Helper()
	b, err := StartHTTPBackend(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	return b
}

// RunTCPEcho is StartTCPEcho for a test.
func RunTCPEcho(t testing.TB) *TCPEcho {
	t.Helper()
	e, err := StartTCPEcho()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// RunTLSEcho is StartTLSEcho for a test.
func RunTLSEcho(t testing.TB, name string) *TLSEcho {
	t.Helper()
	e, err := StartTLSEcho(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// RunLoad is StartLoad for a test.
func RunLoad(t testing.TB, opts LoadOptions) *Load {
	t.Helper()
	l := StartLoad(opts)
	t.Cleanup(func() { l.Stop() })
	return l
}

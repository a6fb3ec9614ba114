package consul_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

const secret = "5ecret-t0ken"

// fails checks the error of two requests, which have to be the same text.
func fails(t *testing.T, src watch.Source, q watch.Query, want string, unreachable bool) {
	t.Helper()
	for range 2 {
		answer, err := try(t, src, q, 0, time.Second)
		if err == nil {
			t.Fatalf("no error, but %v", answer)
		}
		text := err.Error()
		if text != want && !(strings.HasSuffix(want, "*") && strings.HasPrefix(text, want[:len(want)-1])) {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		if strings.Contains(text, secret) || strings.Contains(text, "\n") {
			t.Errorf("the error holds a secret, or several lines: %s", text)
		}
		if errors.Is(err, watch.ErrUnreachable) != unreachable {
			t.Errorf("ErrUnreachable is %v: %v", !unreachable, err)
		}
	}
}

func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	long := "x" + strings.Repeat("ü", 150)
	for name, tc := range map[string]struct {
		reply reply
		want  string
	}{
		"forbidden":   {reply{status: 403, body: "ACL not found\n"}, "HTTP status 403: ACL not found"},
		"denied":      {reply{status: 403, body: "Permission denied: token with AccessorID 'x' lacks permission 'key:read' on \"a\""}, `HTTP status 403: Permission denied: token with AccessorID 'x' lacks permission 'key:read' on "a"`},
		"too many":    {reply{status: 429, body: "Your IP is issuing too many concurrent connections, please rate limit your calls\n"}, "HTTP status 429: Your IP is issuing too many concurrent connections, please rate limit your calls"},
		"no leader":   {reply{status: 500, body: "No cluster leader"}, "HTTP status 500: No cluster leader"},
		"ports":       {reply{status: 500, body: "rpc error: read tcp 10.0.0.1:54321->10.0.0.2:8300: i/o timeout"}, "HTTP status 500: rpc error: read tcp 10.0.0.2:8300: i/o timeout"},
		"gateway":     {reply{status: 502, body: "<html>\n<head>"}, "HTTP status 502: <html>"},
		"echo":        {reply{status: 400, body: "bad token " + secret + "!"}, "HTTP status 400: bad token …!"},
		"long":        {reply{status: 500, body: long}, "HTTP status 500: x" + strings.Repeat("ü", 99) + "…"},
		"nothing":     {reply{status: 503}, "HTTP status 503: "},
		"empty":       {reply{body: ""}, "the answer is empty"},
		"white space": {reply{body: " \n"}, "the answer is empty"},
		"cut off":     {reply{body: `[{"Key":"a"`}, "the answer is cut off"},
		"garbage":     {reply{body: "<html>"}, "the answer is not Consul's: invalid character '<' looking for beginning of value"},
		"other JSON":  {reply{body: `{"a":1}`}, "the answer is not Consul's: json: cannot unmarshal object into Go value of type []*api.KVPair"},
		"hung up":     {reply{do: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}, "the connection was lost: EOF"},
		"hung up while writing": {reply{do: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `[{"Key":`)
		}}, "the answer is cut off"},
		"hung up between chunks": {reply{do: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `[{"Key":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}}, "the answer is cut off"},
		"not HTTP": {reply{do: hijack(func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH "+secret+"\r\n") })}, "the connection was lost: net/http: HTTP/1.x transport connection broken: malformed HTTP status code \"…\""},
		"reset":    {reply{do: hijack(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })}, "the connection was lost: read: connection reset by peer"},
		"silent":   {reply{do: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, "no answer in time"},
		"silent after the headers": {reply{do: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "[")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}}, "no answer in time"},
		"redirect for ever": {reply{do: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}}, "the connection was lost: stopped after 10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, map[string]reply{"/v1/kv/a": tc.reply})
			src := a.source(consul.Config{Token: secret})
			src.SetTimes(20*time.Second, time.Second)
			if strings.HasPrefix(name, "silent") {
				src.SetTimes(50*time.Millisecond, time.Second)
			}
			fails(t, src, key("a"), tc.want, false)
		})
	}
}

// hijack takes the connection over and closes it after f.
func hijack(f func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		f(c)
		c.Close()
	}
}

// closedAddr is an address where nobody listens, and nobody can while the test runs:
// it has a socket that does not.
func closedAddr(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ addr, want string }{
		"refused":       {closedAddr(t), "cannot be reached: connect: connection refused"},
		"refused https": {"https://" + closedAddr(t), "cannot be reached: connect: connection refused"},
		"no such name":  {"consul.invalid:8500", "cannot be reached: no address for consul.invalid"},
		"no such port":  {"127.0.0.1:nope", "cannot be reached: *"},
		"no socket":     {"unix://" + t.TempDir() + "/sock", "cannot be reached: connect: no such file or directory"},
		"with password": {"http://user:" + secret + "@" + closedAddr(t), "cannot be reached: connect: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := newSource(t, consul.Config{Address: tc.addr, Token: secret})
			for _, q := range []watch.Query{key("a"), service("web"), datacenters, workingDCs, node(""), partitions, leaf("web")} {
				fails(t, src, q, tc.want, true)
			}
		})
	}
}

// A blackhole: the connection is neither accepted nor refused.
func TestUnreachableWithoutAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Nobody does the handshake.
	src := newSource(t, consul.Config{Address: "https://" + l.Addr().String(), Transport: consul.Transport{TLSHandshakeTimeout: 20 * time.Millisecond}})
	fails(t, src, key("a"), "cannot be reached: net/http: TLS handshake timeout", true)
}

func TestProxyIsUnreachable(t *testing.T) {
	t.Parallel()
	src := newSource(t, consul.Config{Address: "https://consul.example:8501"})
	fails(t, src, key("a"), "cannot be reached: dial tcp "+strings.TrimPrefix(os.Getenv("HTTPS_PROXY"), "http://")+": connect: connection refused", true)
}

// An agent that speaks TLS where HTTP is expected, and the other way round.
func TestWrongScheme(t *testing.T) {
	t.Parallel()
	a := newAgent(t, nil)
	fails(t, newSource(t, consul.Config{Address: "https://" + a.server.Listener.Addr().String()}), key("a"),
		"cannot be reached: http: server gave HTTP response to HTTPS client", true)
	b := newTLSAgent(t, nil)
	fails(t, newSource(t, consul.Config{Address: b.server.Listener.Addr().String()}), key("a"),
		"HTTP status 400: Client sent an HTTP request to an HTTPS server.", false)
}

// Something else listens there.
func TestNotTLS(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "220 mail.example ESMTP")
			_, _ = bufio.NewReader(c).ReadString('\n')
			c.Close()
		}
	}()
	fails(t, newSource(t, consul.Config{Address: "https://" + l.Addr().String()}), key("a"),
		"cannot be reached: tls: first record does not look like a TLS handshake", true)
}

// An agent may take as long as it was asked to hold, and its silence beyond that.
func TestHoldIsNoSilence(t *testing.T) {
	t.Parallel()
	const hold, silence = 4 * time.Second, 3 * time.Second
	var took time.Duration // of the agent
	a := newAgent(t, map[string]reply{"/v1/kv/a?index=7&wait=4000ms": {do: func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(took):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "[]")
	}}})
	src := a.source(consul.Config{})
	src.SetTimes(silence, time.Second)
	took = hold
	fetch(t, src, lookup("a"), 7, hold)
	took = time.Hour
	if _, err := try(t, src, lookup("a"), 7, hold); err == nil || err.Error() != "no answer in time" {
		t.Errorf("got %v", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent := reply{do: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
	for name, tc := range map[string]struct {
		query watch.Query
		uri   string
	}{
		"key":         {key("a"), "/v1/kv/a?index=7&wait=60000ms"},
		"own node":    {node(""), "/v1/agent/self"},
		"datacenters": {datacenters, ""}, // it waits for the time to look again
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := make(chan struct{}, 1)
			r := reply{do: func(w http.ResponseWriter, r *http.Request) { started <- struct{}{}; silent.do(w, r) }}
			a := newAgent(t, map[string]reply{tc.uri: r})
			src := a.source(consul.Config{})
			for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
				ctx, cancel := context.WithCancel(t.Context())
				if cause == context.DeadlineExceeded {
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				}
				defer cancel()
				done := make(chan error, 1)
				go func() {
					_, err := src.Fetch(ctx, tc.query, 7, time.Minute)
					done <- err
				}()
				if cause == context.Canceled { // the other one may end before the request is there
					if tc.uri != "" {
						await(t, started)
					}
					cancel()
				}
				select {
				case err := <-done:
					if err != cause {
						t.Errorf("got %v, want %v", err, cause)
					}
				case <-time.After(deadline):
					t.Fatal("Fetch goes on")
				}
			}
		})
	}
}

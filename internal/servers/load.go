package servers

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxErrors is how many errors a load keeps.
const maxErrors = 5

// LoadOptions say what to send where.
type LoadOptions struct {
	Addr string // host:port to connect to
	Host string // the Host header, Addr by default
	Path string // "/" by default
	// Workers send one request after the other each; 2 by default.
	Workers int
	// Pause lies between two requests of a worker, 2 ms by default, and keeps the
	// ports of closed connections from running out; negative for none.
	Pause time.Duration
	// Timeout bounds one request, 10 s by default.
	Timeout time.Duration
}

// LoadResult counts requests.
type LoadResult struct {
	Requests int
	// Backends counts the good answers by their body, which of an HTTPBackend is
	// its ID.
	Backends map[string]int
	Failures int           // no answer, or not status 200
	Errors   []error       // the first few of them
	Slowest  time.Duration // of one request
}

// Load sends requests until it is stopped, each over a connection of its own, as
// many clients would.
type Load struct {
	opts   LoadOptions
	client *http.Client
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu     sync.Mutex
	total  LoadResult
	recent LoadResult // of requests sent since the last Take
	takes  int
}

// StartLoad starts the workers.
func StartLoad(opts LoadOptions) *Load {
	opts = opts.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{opts: opts, cancel: cancel, client: opts.client()}
	for range opts.Workers {
		l.group.Go(func() { l.work(ctx) })
	}
	return l
}

// Get sends one request, as a worker of a load does, and gives the body of the
// answer. Workers and Pause do not count.
func Get(ctx context.Context, opts LoadOptions) (string, error) {
	opts = opts.withDefaults()
	return send(ctx, opts.client(), opts)
}

// client connects to Addr whatever the request says, once per request.
func (o LoadOptions) client() *http.Client {
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", o.Addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (o LoadOptions) withDefaults() LoadOptions {
	if o.Host == "" {
		o.Host = o.Addr
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.Pause == 0 {
		o.Pause = 2 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return o
}

// work sends requests until ctx ends. A request that runs then is finished: that
// the load stops is no failure.
func (l *Load) work(ctx context.Context) {
	for ctx.Err() == nil {
		taken, start := l.taken(), time.Now()
		backend, err := send(context.Background(), l.client, l.opts)
		l.count(taken, backend, err, time.Since(start))
		if l.opts.Pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(l.opts.Pause):
			}
		}
	}
}

// send makes one request and gives the body of the answer.
func send(ctx context.Context, client *http.Client, opts LoadOptions) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+opts.Host+opts.Path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		// A page of several lines would break the line that the error is told in.
		return "", fmt.Errorf("status %s: %s", response.Status, strings.Join(strings.Fields(text), " "))
	}
	return text, nil
}

func (l *Load) taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takes
}

// count counts a request that was sent after so many Takes. One that was under way
// during a Take says nothing of the time after it, unless it has failed.
func (l *Load) count(taken int, backend string, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.add(backend, err, took)
	if taken == l.takes || err != nil {
		l.recent.add(backend, err, took)
	}
}

func (r *LoadResult) add(backend string, err error, took time.Duration) {
	r.Requests++
	r.Slowest = max(r.Slowest, took)
	if err == nil {
		if r.Backends == nil {
			r.Backends = map[string]int{}
		}
		r.Backends[backend]++
		return
	}
	r.Failures++
	if len(r.Errors) < maxErrors {
		r.Errors = append(r.Errors, err)
	}
}

// Err is nil when no request has failed.
func (r LoadResult) Err() error {
	if r.Failures == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d requests failed, the first with: %w", r.Failures, r.Requests, r.Errors[0])
}

// String gives the counts in one line.
func (r LoadResult) String() string {
	return fmt.Sprintf("%d requests, %d failed, slowest %s, %v", r.Requests, r.Failures, r.Slowest.Round(time.Millisecond), r.Backends)
}

// Result gives the counts since the start.
func (l *Load) Result() LoadResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total.clone()
}

// Take gives the counts of the requests that were sent since the last Take, and have
// been answered.
func (l *Load) Take() LoadResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.recent
	l.recent = LoadResult{}
	l.takes++
	return taken
}

func (r LoadResult) clone() LoadResult {
	r.Backends = maps.Clone(r.Backends)
	r.Errors = append([]error(nil), r.Errors...)
	return r
}

// Stop waits for the requests that run and gives the counts since the start.
func (l *Load) Stop() LoadResult {
	l.cancel()
	l.group.Wait()
	return l.Result()
}

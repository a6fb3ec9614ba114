package watch_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// herd is a source that many schedulers ask, and that they all lose at once. It is cheap:
// there are thousands of queries under way.
type herd struct {
	mu     sync.Mutex
	start  time.Time
	err    error
	lost   chan struct{} // closed when it is
	begun  []int         // requests, by tenths of a second
	mended []time.Time   // when a query was answered for the first time since it is back

	returned time.Time
}

func newHerd() *herd { return &herd{start: time.Now(), lost: make(chan struct{})} }

// Fetch implements watch.Source.
func (h *herd) Fetch(ctx context.Context, _ watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	lost, err := h.begin(after)
	if err != nil || after == 0 {
		return watch.Answer{Value: "value", Version: 1}, err
	}
	timer := time.NewTimer(hold)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return watch.Answer{}, ctx.Err()
	case <-lost:
		return watch.Answer{}, fmt.Errorf("%w: reset by peer", watch.ErrNoAnswer)
	case <-timer.C:
	}
	return watch.Answer{Value: "value", Version: after}, nil
}

func (h *herd) begin(after uint64) (lost chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := int(time.Since(h.start) / (100 * time.Millisecond))
	if n := at + 1 - len(h.begun); n > 0 {
		h.begun = append(h.begun, make([]int, n)...)
	}
	h.begun[at]++
	if h.err == nil && after == 0 {
		h.mended = append(h.mended, time.Now())
	}
	return h.lost, h.err
}

func (h *herd) lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.start, h.begun, h.err = time.Now(), nil, err
	close(h.lost)
}

func (h *herd) back() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.mended, h.lost, h.returned = nil, nil, make(chan struct{}), time.Now()
}

// upToDate is the time from the return until n queries were answered.
func (h *herd) upToDate(n int) time.Duration {
	if len(h.mended) < n {
		return time.Hour
	}
	slices.SortFunc(h.mended, time.Time.Compare)
	return h.mended[n-1].Sub(h.returned).Round(100 * time.Millisecond)
}

// peak is the most requests of a number of tenths in a row, of those from one time to another.
func (h *herd) peak(from, to time.Duration, tenths int) int {
	const tenth = 100 * time.Millisecond
	list, most := h.begun[min(len(h.begun), int(from/tenth)):min(len(h.begun), int(to/tenth))], 0
	for i := range list {
		sum := 0
		for _, n := range list[i:min(len(list), i+tenths)] {
			sum += n
		}
		most = max(most, sum)
	}
	return most
}

var clients = flag.Int("clients", 20, "how many programs lose a source at once in TestHerd")

// Many programs lose the same agent, or its leader, at once: they neither ask all at once when it
// is gone, nor when it is back. This prints the figures of docs/performance.md:
//
//	go test -v -run TestHerd ./watch -clients 500
func TestHerd(t *testing.T) {
	for _, lost := range []error{errUnreachable, errors.New("HTTP status 500: No cluster leader")} {
		for _, outage := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
			t.Run(fmt.Sprint(lost, " for ", outage), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stampede(t, lost, outage) })
			})
		}
	}
}

// stampede has all programs lose the source for a time.
func stampede(t *testing.T, lost error, outage time.Duration) {
	const queries = 150
	h := newHerd()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range *clients {
		s := watch.NewScheduler(h, watch.NewStore(), watch.Options{Hold: time.Hour})
		set := watch.Set{}
		for i := range queries {
			set.Add(key(i))
		}
		s.Want(set)
		group.Go(func() { _ = s.Run(ctx) })
	}
	pass(time.Minute)
	h.lose(lost)
	pass(outage)
	h.back()
	pass(3 * time.Minute)
	cancel()
	group.Wait()

	half, most := h.upToDate(*clients*queries/2), h.upToDate(*clients*queries*99/100)
	loss := min(outage, 3*time.Second)
	t.Logf("%d × %d queries; requests in 0.1 s, 1 s: %d %d at the loss, %d %d later, %d %d at the return; up to date: 50 %% %s, 99 %% %s",
		*clients, queries, h.peak(0, loss, 1), h.peak(0, loss, 10), h.peak(loss, outage, 1), h.peak(loss, outage, 10),
		h.peak(outage, time.Hour, 1), h.peak(outage, time.Hour, 10), half, most)
	if tenth, second := h.peak(0, time.Hour, 1), h.peak(0, time.Hour, 10); tenth > 15**clients || second > 120**clients {
		t.Errorf("%d requests in 0.1 s, %d in 1 s", tenth, second)
	}
	if most > 10*time.Second {
		t.Errorf("99 %% are up to date %s after the return", most)
	}
}

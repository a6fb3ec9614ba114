package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// siteName is what clients ask for.
const siteName = "httpfront.example.com"

// traffic is requests for siteName through nginx, one after the other, each over a
// connection of its own.
type traffic struct{ load *servers.Load }

// site is how nginx at addr is asked for siteName.
func site(addr, path string) servers.LoadOptions {
	return servers.LoadOptions{Addr: addr, Host: siteName, Path: path}
}

func startTraffic(addr string) *traffic { return &traffic{servers.StartLoad(site(addr, "/"))} }

// take waits for n more requests and gives what became of all since the last take.
func (t *traffic) take(ctx context.Context, n int) (servers.LoadResult, error) {
	want := t.requests() + n
	err := servers.Wait(ctx, func() error {
		if have := t.requests(); have < want {
			return fmt.Errorf("the traffic has come to %d requests, not yet to %d", have, want)
		}
		return nil
	})
	if err != nil {
		return servers.LoadResult{}, err
	}
	result := t.load.Take()
	return result, result.Err()
}

// requests gives how many there have been since the start.
func (t *traffic) requests() int { return t.load.Result().Requests }

// err is nil when no request has failed since the start.
func (t *traffic) err() error { return t.load.Result().Err() }

// stop gives the counts since the start. A second call does nothing.
func (t *traffic) stop() servers.LoadResult { return t.load.Stop() }

// counts adds up answers by their word number i: 0 for the httpfront, 1 for the
// httpbackend.
func counts(r servers.LoadResult, i int) map[string]int {
	sum := map[string]int{}
	for answer, n := range r.Backends {
		if words := strings.Fields(answer); i < len(words) {
			sum[words[i]] += n
		}
	}
	return sum
}

// list prints counts as "httpfront-1 100, httpfront-2 99".
func list(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

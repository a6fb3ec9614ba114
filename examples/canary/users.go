package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// browser asks a gateway for the shop, as users do.
type browser struct{ client *http.Client }

// newBrowser makes one that keeps its connections for later requests, or uses a new one
// for each.
func newBrowser(addr string, keep bool) *browser {
	return &browser{&http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives:   !keep,
			MaxIdleConnsPerHost: surveyors,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			},
		},
	}}
}

func (b *browser) close() { b.client.CloseIdleConnections() }

// ask sends a request of a user, who has the cookie unless the name is empty, and gives
// the version that answered.
func (b *browser) ask(ctx context.Context, user string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+siteName+"/", nil)
	if err != nil {
		return "", err
	}
	if user != "" {
		request.AddCookie(&http.Cookie{Name: "user", Value: user})
	}
	response, err := b.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s has status %s", user, response.Status)
	}
	return versionOf(strings.TrimSpace(string(body)))
}

// census has the version of each user.
type census map[string]string

// add notes what a user has got. One who has had another version is an error.
func (c census) add(user, version string) error {
	if had := c[user]; had != "" && had != version {
		return fmt.Errorf("%s has got %s and %s at the same percentage", user, had, version)
	}
	c[user] = version
	return nil
}

// of counts the users of a version.
func (c census) of(version string) (n int) {
	for _, v := range c {
		if v == version {
			n++
		}
	}
	return n
}

// allV1 says that nobody has the canary.
func (c census) allV1() bool { return c.of("v1") == len(c) }

// share gives the percentage of users who have the canary.
func (c census) share() float64 { return 100 * float64(c.of("v2")) / float64(len(c)) }

// surveyors ask at the same time.
const surveyors = 64

// survey asks for each of the users once, over connections that are kept.
func survey(ctx context.Context, addr string, users []string) (census, error) {
	b := newBrowser(addr, true)
	defer b.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	versions := make([]string, len(users))
	var next atomic.Int64
	var group sync.WaitGroup
	for range surveyors {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(users) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				var err error
				if versions[i], err = b.ask(ctx, users[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	c := census{}
	for i, user := range users {
		c[user] = versions[i]
	}
	return c, context.Cause(ctx)
}

// runName is part of all names: each run has users of its own.
var runName = rand.Text()

// people gives n users.
func people(n int) []string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("%s-%d", runName, i)
	}
	return users
}

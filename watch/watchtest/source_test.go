package watchtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/watchtest"
)

var q = watch.Query{Kind: watch.KindKey, Name: "q"}

// fetch asks, and gives the time that it took.
func fetch(s *watchtest.Source, after uint64) (answer watch.Answer, took time.Duration, err error) {
	start := time.Now()
	answer, err = s.Fetch(context.Background(), q, after, time.Minute)
	return answer, time.Since(start), err
}

func TestSourceHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.New()
		want := func(after uint64, value any, version uint64, took time.Duration) {
			t.Helper()
			if a, d, err := fetch(s, after); err != nil || a.Value != value || a.Version != version || d != took {
				t.Errorf("after %d: %v after %s, %v; want %v of %d after %s", after, a, d, err, value, version, took)
			}
		}
		want(0, nil, 1, 0) // nothing yet
		want(1, nil, 1, time.Minute)
		s.Set(q, "a")
		want(0, "a", 2, 0)
		want(1, "a", 2, 0)
		want(2, "a", 2, time.Minute)
		go func() { time.Sleep(time.Second); s.Set(q, "b") }()
		want(2, "b", 3, time.Second)
		s.Restart()
		want(3, "b", 1, time.Minute) // the index is too high
		s.Slow(func(watch.Query) time.Duration { return time.Second })
		want(0, "b", 1, time.Second)
		s.Slow(nil)
		s.Impatient(true)
		want(3, "b", 1, 0)
		if c := s.Counts(); c != (watchtest.Counts{Total: 9, Peak: 1}) || s.Fetches(q) != 9 || s.Value(q) != "b" {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.New()
		errTest, errAll := errors.New("test"), errors.New("all")
		go func() { time.Sleep(time.Second); s.Fail(q, errTest) }()
		if _, d, err := fetch(s, 1); err != errTest || d != time.Second {
			t.Errorf("%v after %s: a query under way has to fail too", err, d)
		}
		s.FailAll(errAll)
		if _, _, err := fetch(s, 0); err != errAll {
			t.Errorf("got %v", err)
		}
		s.FailAll(nil)
		s.Fail(q, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Fetch(ctx, q, 1, time.Minute); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

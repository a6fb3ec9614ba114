package watch_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

var (
	errBroken      = errors.New("broken")
	errCutOff      = fmt.Errorf("%w: reset by peer", watch.ErrNoAnswer)
	errUnreachable = fmt.Errorf("%w: connection refused", watch.ErrUnreachable)
)

func TestFailedQueryStartsAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		c := r.record()
		queries := r.keys(2)
		r.run()
		r.want(queries...)
		c.take()
		r.Fail(queries[0], errBroken)
		pass(time.Second)
		r.has(queries[0], "first 0") // the last good one
		for _, call := range c.take() {
			if call.q != queries[0] || call.after != 0 {
				t.Errorf("asked %s after %d, want 0: the index is from before the fault", call.q, call.after)
			}
		}
		r.set(queries[1], "second")
		r.has(queries[1], "second")

		r.Set(queries[0], "mended")
		r.Fail(queries[0], nil)
		pass(time.Minute) // longer than any pause after a second of failures
		r.has(queries[0], "mended")
		r.logged(slog.LevelWarn, `fake did not answer a query: keeping the last good answer, trying on query=key "k0000" error=broken`)
		r.logged(slog.LevelInfo, `fake answers a query again query=key "k0000" after=`)
	})
}

func TestBackOffGrowsUpToItsMax(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Retry: watch.Retry{Backoff: time.Second, MaxBackoff: 20 * time.Second}})
		c := r.record()
		q := key(1)
		r.Set(q, "value")
		r.Fail(q, errBroken)
		r.run()
		r.want(q)
		pass(10 * time.Minute)
		gaps := gapsOf(c.take())
		short, sum := 0, time.Duration(0)
		for i, gap := range gaps {
			nominal := min(time.Second<<min(i, 10), 20*time.Second)
			if sum += gap; gap > nominal {
				t.Errorf("wait %d was %s, want at most %s", i, gap, nominal)
			}
			if gap < nominal/2 {
				short++
			}
		}
		if mean := sum / time.Duration(len(gaps)); mean < 6*time.Second || mean > 14*time.Second {
			t.Errorf("the mean wait is %s, want about half of 20 s", mean)
		}
		if short < len(gaps)/4 || short > len(gaps)*3/4 {
			t.Errorf("%d of %d waits are short: any wait up to the bound is to be as likely", short, len(gaps))
		}

		r.Fail(q, nil)
		pass(20 * time.Second)
		r.has(q, "value")
		c.take()
		r.Fail(q, errBroken) // a success has reset the waits
		failed := time.Now()
		pass(20 * time.Second)
		if wait := c.take()[0].at.Sub(failed); wait > time.Second {
			t.Errorf("the first wait after a success is %s", wait)
		}
	})
}

// gapsOf gives the times between the calls.
func gapsOf(list []call) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(list); i++ {
		out = append(out, list[i].at.Sub(list[i-1].at))
	}
	return out
}

func TestUnreachableSourceIsProbed(t *testing.T) {
	for _, n := range []int{1, 3, 150, 1000} {
		t.Run(fmt.Sprint(n, " queries"), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{})
				c := r.record()
				queries := r.keys(n)
				r.run()
				r.want(queries...)
				pass(12 * time.Second)
				r.FailAll(errUnreachable)
				synctest.Wait()
				c.take()
				pass(10 * time.Minute)
				probes := c.take()
				for _, p := range probes {
					if p.after != 0 {
						t.Errorf("a probe waits for a change after %d: it is to be answered at once", p.after)
						break
					}
				}
				for i, gap := range gapsOf(probes) {
					if gap < 60*time.Millisecond || gap > 5*time.Second || i > 10 && gap < time.Second {
						t.Errorf("wait %d between probes is %s, want at most 5 s", i, gap)
					}
				}
				r.logged(slog.LevelWarn, "fake cannot be reached")
				r.logged(slog.LevelInfo)

				for _, q := range queries {
					r.Set(q, "new of "+q.Name)
				}
				r.FailAll(nil)
				pass(5*time.Second + 10*time.Second) // the next probe, and until it is everybody's turn
				r.hasAll(queries)
				r.logged(slog.LevelWarn, "fake cannot be reached")
				r.logged(slog.LevelInfo, "fake can be reached again after=10m")
				if len(r.log.lines(slog.LevelDebug)) > 0 {
					t.Errorf("an outage of the source is reported for each query: %q", r.log.lines(slog.LevelDebug)[0])
				}
			})
		})
	}
}

// Whatever a query waits for when the source comes back, it is asked at once.
func TestAllGoOnAfterAnOutage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Retry: watch.Retry{MaxBackoff: time.Hour}})
		queries := r.keys(3)
		r.run()
		r.want(queries...)
		r.Fail(queries[0], errBroken)
		pass(4 * time.Hour) // its next attempt is far away
		r.FailAll(errUnreachable)
		pass(2 * time.Minute)
		r.Fail(queries[0], nil)
		r.Set(queries[0], "mended")
		r.FailAll(nil)
		pass(5 * time.Second)
		r.hasAll(queries)
	})
}

// An agent that comes back with fresh state has low indexes: a query that was not
// under way when it went away must not wait for an index from before.
func TestRestartWhileTakingTurns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Connections: 10, Hold: 10 * time.Second})
		queries := r.keys(500)
		r.run()
		r.want(queries...)
		pass(25 * time.Second)
		c := r.record()
		r.FailAll(errUnreachable)
		pass(3 * time.Second)
		r.Restart()
		r.FailAll(nil)
		pass(5 * time.Second)
		asked := map[watch.Query]bool{}
		for _, call := range c.take() {
			if !asked[call.q] && call.after != 0 {
				t.Fatalf("%s was asked after %d, an index from before the restart", call.q, call.after)
			}
			asked[call.q] = true
		}
		for _, q := range queries {
			r.Set(q, "new")
		}
		pass(11 * time.Second)
		r.hasAll(queries)
	})
}

// One query in a state of its own (a server that refuses some connections, an
// agent that has run out of files) must not fill the log.
func TestPartlyUnreachable(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(20)
		r.run()
		r.want(queries...)
		r.Fail(queries[0], errUnreachable)
		for range 600 {
			r.set(queries[1], time.Now().String())
			r.has(queries[1], r.Value(queries[1]))
			pass(time.Second)
		}
		if n := len(r.log.lines(slog.LevelWarn)) + len(r.log.lines(slog.LevelInfo)); n > 100 {
			t.Errorf("%d lines in the log in 10 minutes", n)
		}
		if n := r.Fetches(queries[0]); n > 100 {
			t.Errorf("the query was asked %d times in 10 minutes", n)
		}
		r.Fail(queries[0], nil)
		r.Set(queries[0], "mended")
		pass(time.Minute)
		r.hasAll(queries)
	})
}

func TestSameErrorIsReportedOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(100)
		r.run()
		r.want(queries...)
		for _, q := range queries {
			r.Fail(q, errBroken)
		}
		pass(10 * time.Minute)
		r.logged(slog.LevelWarn, "error=broken")
		r.logged(slog.LevelInfo)
		r.Fail(queries[5], errors.New("something else"))
		pass(2 * time.Minute)
		r.logged(slog.LevelWarn, "error=broken", `query=key "k0005" error=something else`)
		for i, q := range queries {
			if i != 5 {
				r.Fail(q, nil)
			}
		}
		pass(2 * time.Minute)
		r.logged(slog.LevelInfo, "fake answers a query again")
		r.Fail(queries[5], nil)
		pass(2 * time.Minute)
		r.logged(slog.LevelInfo, "fake answers a query again", `fake answers a query again query=key "k0005"`)
		r.hasAll(queries)

		r.Fail(queries[6], errBroken) // a new incident is reported again
		pass(time.Second)
		if n := len(r.log.lines(slog.LevelWarn)); n != 3 {
			t.Errorf("%d warnings, want 3", n)
		}
	})
}

func TestWhatIsKeptIsReported(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		missing, there := key(1), key(2)
		r.Set(there, "value")
		r.run()
		r.want(missing, there)
		r.Fail(missing, errBroken)
		synctest.Wait()
		r.Fail(there, errors.New("broken too"))
		synctest.Wait()
		r.logged(slog.LevelWarn, "no answer yet", "keeping the last good answer")
	})
}

func TestForgottenErrorIsOffTheBooks(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(2)
		r.run()
		r.want(queries...)
		r.Fail(queries[0], errBroken)
		pass(time.Second)
		r.want(queries[1])
		r.Fail(queries[1], errBroken)
		synctest.Wait()
		if lines := r.log.lines(slog.LevelWarn); len(lines) != 2 {
			t.Errorf("%q, want the error of each query: they did not fail at the same time", lines)
		}
	})
}

func TestAttemptsEndRun(t *testing.T) {
	for _, tc := range []struct {
		attempts, fetches int
		err               error
	}{
		{-1, 1, errBroken}, {1, 2, errBroken}, {12, 13, errBroken},
		{-1, 1, errUnreachable}, {1, 2, errUnreachable}, {12, 13, errUnreachable},
	} {
		for _, n := range []int{1, 5} {
			t.Run(fmt.Sprint(tc.attempts, " of ", n, " ", tc.err), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					r := newRig(t, watch.Options{Retry: watch.Retry{Attempts: tc.attempts}})
					queries := r.keys(n)
					r.run()
					r.FailAll(tc.err)
					r.want(queries...)
					pass(time.Hour)
					select {
					case <-r.ended:
					default:
						t.Fatal("Run goes on")
					}
					if r.err == nil || !errors.Is(r.err, tc.err) || !strings.Contains(r.err.Error(), `key "k000`) {
						t.Errorf("Run: %v", r.err)
					}
					if got := r.Counts().Total; n == 1 && got != tc.fetches {
						t.Errorf("asked %d times, want %d", got, tc.fetches)
					}
				})
			})
		}
	}
}

func TestAttemptsCountFailuresInARow(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Retry: watch.Retry{Attempts: 2}})
		queries := r.keys(2)
		r.run()
		r.want(queries...)
		for _, err := range []error{errBroken, errUnreachable, errBroken, errUnreachable} {
			r.Fail(queries[0], err)
			synctest.Wait()
			r.Fail(queries[0], nil)
			pass(time.Minute)
		}
		select {
		case <-r.ended:
			t.Errorf("Run ended though no query failed twice in a row: %v", r.err)
		default:
		}
	})
}

// With a number of attempts the waits are as configured, which is how long a user
// has decided to wait.
func TestAttemptsWaitAsConfigured(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Retry: watch.Retry{Attempts: 12}})
		queries := r.keys(150)
		r.run()
		r.want(queries...)
		r.FailAll(errUnreachable)
		pass(90 * time.Second) // consul-template takes some 5 minutes
		select {
		case <-r.ended:
			t.Errorf("gave up too early: %v", r.err)
		default:
		}
	})
}

// The new queries of an outage are answered when it ends.
func TestQueriesChangeWhileUnreachable(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Connections: 10})
		queries := r.keys(40)
		r.run()
		r.want(queries[:20]...)
		r.FailAll(errUnreachable)
		for i := range 20 {
			pass(700 * time.Millisecond)
			r.want(queries[i : 20+i]...)
			if n := r.Counts().Running; n > 1 {
				t.Fatalf("%d probes at once", n)
			}
		}
		r.want() // not even a query to probe with
		pass(time.Minute)
		r.want(queries[10:]...)
		pass(6 * time.Second)
		r.FailAll(nil)
		pass(5*time.Second + 10*time.Second) // the next probe, and a round: there are more than connections
		r.hasAll(queries[10:])
		r.has(queries[9], nil)
		r.logged(slog.LevelWarn, "fake cannot be reached")
		r.logged(slog.LevelInfo, "fake can be reached again")
	})
}

// The probe is dropped while it is under way.
func TestProbeIsUnwanted(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(2)
		r.run()
		r.want(queries[0])
		r.FailAll(errUnreachable)
		pass(time.Minute)
		r.Slow(func(watch.Query) time.Duration { return time.Hour })
		pass(5 * time.Second)
		if !r.Running(queries[0]) {
			t.Fatal("the test needs a probe under way")
		}
		r.Slow(nil)
		r.FailAll(nil)
		r.want(queries[1])
		r.has(queries[1], "first 1")
	})
}

// While a probe is under way nothing else is started and nothing is taken back,
// whatever ends meanwhile.
func TestOneProbeAtATime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Connections: 5})
		queries := r.keys(6)
		r.run()
		r.want(queries[:5]...)
		r.Fail(queries[0], errUnreachable)
		synctest.Wait()
		r.Slow(func(watch.Query) time.Duration { return time.Minute })
		pass(time.Second)
		if c := r.Counts(); c.Running != 5 || !r.Running(queries[0]) {
			t.Fatalf("%+v, want four that wait and a probe", c)
		}
		before := r.Counts()
		r.want(queries...)
		if c := r.Counts(); c.Running != 5 {
			t.Errorf("%+v: a connection was taken back for a query that cannot be asked", c)
		}
		r.Fail(queries[1], errUnreachable)
		pass(time.Second)
		if c := r.Counts(); c.Running != 4 || c.Total != before.Total {
			t.Errorf("%+v, want nothing but three that wait and the probe; it was %+v", c, before)
		}
	})
}

// An agent that is killed refuses connections, and resets those that it had: that
// one was reset does not mean that it is back. A probe that is cut off is a probe that
// has failed.
func TestAConnectionThatIsCutOffIsNoAnswer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(2)
		r.run()
		r.want(queries...)
		r.Fail(queries[0], errUnreachable)
		synctest.Wait()
		r.Fail(queries[1], errCutOff)
		synctest.Wait()
		r.FailAll(errCutOff)
		pass(time.Minute)
		r.logged(slog.LevelWarn, "fake cannot be reached")
		r.logged(slog.LevelInfo)
		for _, q := range queries {
			r.Fail(q, nil)
		}
		r.FailAll(nil)
		pass(5 * time.Second)
		r.hasAll(queries)
		r.logged(slog.LevelWarn, "fake cannot be reached")
		r.logged(slog.LevelInfo, "fake can be reached again")
	})
}

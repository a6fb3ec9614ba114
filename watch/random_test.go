package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/watchtest"
)

// TestWhateverHappens does random things to a scheduler and its source. When they
// are over the store has to have what the source has, for exactly the wanted
// queries, and at no time may there have been too many questions.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			virtual(t, func(t *testing.T) { newChaos(t, seed).play() })
		})
	}
}

// chaos is one random story.
type chaos struct {
	*rig
	rand    *rand.Rand
	opt     watch.Options
	queries []watch.Query
	wanted  watch.Set
	step    int

	sentinel *watchtest.Sentinel // nil for none
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{rand: rand.New(rand.NewPCG(seed, 1)), wanted: watch.Set{}}
	c.opt = watch.Options{
		Connections: 1 + c.rand.IntN(20),
		Hold:        []time.Duration{time.Second, 10 * time.Second, time.Minute}[c.rand.IntN(3)],
		Retry:       watch.Retry{MaxBackoff: 5 * time.Second},
	}
	c.rig = newRig(t, c.opt)
	switch c.rand.IntN(3) {
	case 0:
		c.rig.sched = watch.NewScheduler(lingerer{c.rig.Source}, c.rig.store, c.opt)
		c.rig.lingers = lingering
	case 1:
		c.guard()
	}
	c.queries = c.keys(1 + c.rand.IntN(100))
	c.latencies(seed)
	return c
}

// guard has a sentinel look after the queries when they are many, which fails now and then.
func (c *chaos) guard() {
	c.opt.Connections += 16
	c.sentinel = watchtest.NewSentinel()
	c.sentinel.Late = time.Duration(c.rand.Int64N(int64(time.Second)))
	c.rig.Source = c.sentinel.Source
	c.rig.sched = watch.NewScheduler(c.sentinel, c.rig.store, c.opt)
}

// lingering is how long a lingerer needs to end when its context has ended.
const lingering = 100 * time.Millisecond

// lingerer is a source that ends late, as one does that is just reading an answer.
type lingerer struct{ watch.Source }

func (l lingerer) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() {
		time.Sleep(lingering)
		cancel()
	})()
	defer cancel()
	return l.Source.Fetch(late, q, after, hold)
}

// latencies gives each question a random latency: none, some, or a lot. They come
// from a generator of their own, since the workers ask for them in any order.
func (c *chaos) latencies(seed uint64) {
	most := []time.Duration{0, 50 * time.Millisecond, 2 * time.Second}[c.rand.IntN(3)]
	lock := make(chan *rand.Rand, 1)
	lock <- rand.New(rand.NewPCG(seed, 2))
	c.Slow(func(watch.Query) time.Duration {
		r := <-lock
		defer func() { lock <- r }()
		return time.Duration(r.Int64N(int64(most) + 1))
	})
}

func (c *chaos) play() {
	c.run()
	for c.step = range 150 {
		c.act()
		if c.rand.IntN(4) > 0 { // else the next one comes at the same time
			pass(time.Duration(c.rand.Int64N(int64(3 * time.Second))))
		}
	}
	c.calm()
	c.check()
}

// one gives a random query.
func (c *chaos) one() watch.Query { return c.queries[c.rand.IntN(len(c.queries))] }

// act does one random thing.
func (c *chaos) act() {
	switch c.rand.IntN(16) {
	case 0, 1:
		c.wanted = watch.Set{}
		for range c.rand.IntN(2 * len(c.queries)) {
			c.wanted.Add(c.one())
		}
		c.sched.Want(c.wanted)
	case 2, 3:
		gone, back := c.one(), c.one()
		delete(c.wanted, gone)
		delete(c.wanted, back)
		c.sched.Want(c.wanted)
		if c.rand.IntN(2) == 0 { // else the scheduler sees nothing of it
			synctest.Wait()
		}
		c.wanted.Add(back)
		c.sched.Want(c.wanted)
	case 4:
		c.Fail(c.one(), errBroken)
	case 5:
		c.Fail(c.one(), errUnreachable)
	case 6, 7:
		c.Fail(c.one(), nil)
	case 8:
		c.FailAll([]error{errBroken, errUnreachable}[c.rand.IntN(2)])
	case 9, 10:
		c.FailAll(nil)
	case 11:
		c.Restart()
	case 12:
		c.Impatient(c.rand.IntN(2) == 0)
	case 13:
		c.Set(c.one(), nil)
		if c.sentinel != nil {
			c.sentinel.FailWatch([]error{nil, errBroken, errUnreachable}[c.rand.IntN(3)])
		}
	default:
		for i := range 1 + c.rand.IntN(20) {
			c.Set(c.one(), fmt.Sprintf("step %d.%d", c.step, i))
		}
	}
}

// calm ends all faults and gives the scheduler the time that it may take.
func (c *chaos) calm() {
	c.FailAll(nil)
	if c.sentinel != nil {
		c.sentinel.FailWatch(nil)
	}
	for _, q := range c.queries {
		c.Fail(q, nil)
	}
	c.Impatient(false)
	c.Slow(nil)
	// The end of a hold with an index from before a restart, of the longest wait
	// after a failure, and two rounds: with the old index and from 0.
	pass(c.opt.Hold + c.opt.Retry.MaxBackoff + 2*11*time.Second)
}

func (c *chaos) check() {
	c.t.Helper()
	for _, q := range c.queries {
		got, _, ok := c.store.Get(q)
		if _, wanted := c.wanted[q]; !wanted {
			if ok {
				c.t.Errorf("%s is not wanted, and the store has %v", q, got)
			}
			continue
		}
		if want := c.Value(q); want != nil && got != want {
			c.t.Errorf("%s: the store has %v, the source %v", q, got, want)
		}
	}
	counts := c.Counts()
	if counts.Peak > c.opt.Connections || counts.Double > 0 {
		c.t.Errorf("with %d connections: %+v", c.opt.Connections, counts)
	}
	if most := min(len(c.wanted), c.opt.Connections); counts.Running > most {
		c.t.Errorf("%d questions under way, want at most %d", counts.Running, most)
	}
	// In peace each query is asked about once in a hold or a round.
	before := counts.Total
	pass(10 * time.Second)
	if n, most := c.Counts().Total-before, len(c.wanted)*(1+int(10*time.Second/min(10*time.Second, c.opt.Hold)))+c.opt.Connections; n > most {
		c.t.Errorf("%d questions in 10 s in which nothing happened, for %d queries and a hold of %s", n, len(c.wanted), c.opt.Hold)
	}
	// And a change still arrives.
	for q := range c.wanted {
		c.Set(q, "the end")
	}
	pass(11 * time.Second)
	for q := range c.wanted {
		c.has(q, "the end")
	}
	// What has been in doubt since a restart is not for ever.
	c.want() // which makes the time pass quickly
	pass(2 * time.Minute)
	for _, q := range c.queries {
		c.doubted(q, "")
	}
	synctest.Wait()
}

package guard

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ctmpl/ctmpl/watch"
)

// Check gives what speaks against a rollout, nothing when it may go live. doubts are why
// answers are not to be trusted, by query. The outputs are by path: those that are there,
// which a first rollout has as well, and those that would be.
func (l Limits) Check(before Before, after Facts, doubts map[string]string, oldOutputs, newOutputs map[string][]byte) []string {
	c := comparison{Limits: l, before: before, after: after, keeps: keeps(oldOutputs, newOutputs)}
	var reasons []string
	for _, list := range [][]string{
		l.emptied(oldOutputs, newOutputs),
		c.doubted(doubts),
		c.tooFew(),
		c.shrunk(),
		c.services(),
		l.rewritten(oldOutputs, newOutputs),
	} {
		reasons = append(reasons, list...)
	}
	return reasons
}

// comparison is what is live beside what would be.
type comparison struct {
	Limits
	before Before
	after  Facts
	keeps  bool // holding it leaves an output in place that is not empty
}

// tooFew looks at the number of all instances. Where it is too low already only a
// further fall is held. Of a first rollout nobody knows how many there were before: it is
// held where there is an output to keep.
func (c comparison) tooFew() []string {
	was, now := c.before.live.total(), c.after.total()
	switch {
	case c.MinInstances <= 0 || now >= c.MinInstances:
		return nil
	case !c.before.known && c.keeps:
		return []string{fmt.Sprintf("%d instances, at least %d are wanted (min_instances)", now, c.MinInstances)}
	case now >= was:
		return nil
	}
	return []string{fmt.Sprintf("%d instances would be left, at least %d are wanted (min_instances): %s", now, c.MinInstances, c.falls())}
}

// falls names the services with fewer instances than live.
func (c comparison) falls() string {
	var list []loss
	for query, from := range c.before.live.Services {
		if to := c.after.Services[query]; to < from {
			list = append(list, loss{query: query, from: from, to: to})
		}
	}
	sortLosses(list)
	return listed(list, "service")
}

// falling tells whether there are fewer instances of a service than live.
func (c comparison) falling(query string) bool {
	return c.after.Services[query] < c.before.live.Services[query]
}

// shrunk looks at how much of all vanishes. What vanished earlier within the window adds to
// that, but holds nothing by itself.
func (c comparison) shrunk() []string {
	var list []loss
	var lost, all, lostServices, allServices int
	falls := false
	for query, from := range c.before.most {
		if from == 0 {
			continue
		}
		to := c.after.Services[query]
		all, allServices = all+from, allServices+1
		falls = falls || c.falling(query)
		if to >= from {
			continue
		}
		lost += from - to
		if to == 0 {
			lostServices++
		}
		list = append(list, loss{query: query, from: from, to: to})
	}
	if !falls {
		return nil
	}
	sortLosses(list)
	switch {
	case exceeds(lost, all, c.MaxShrink):
		return []string{c.wouldVanish(lost, all, "instances") + listed(list, "service")}
	case exceeds(lostServices, allServices, c.MaxShrink):
		gone := slices.DeleteFunc(list, func(l loss) bool { return l.to > 0 })
		return []string{c.wouldVanish(lostServices, allServices, "services with instances") + listed(gone, "service")}
	}
	return nil
}

func (c comparison) wouldVanish(lost, all int, what string) string {
	return fmt.Sprintf("%d of %d %s would vanish (%s, max_shrink %s): ", lost, all, what, share(lost, all), percent(c.MaxShrink))
}

// services looks at the services that have bounds of their own. One that has never had
// as many as are wanted is not held for that, unless it loses what it has.
func (c comparison) services() []string {
	if len(c.Services) == 0 {
		return nil
	}
	var few, shrunk []loss
	for query, from := range c.before.most {
		bounds, ok := c.of(query)
		if !ok || !c.falling(query) {
			continue
		}
		to := c.after.Services[query]
		if to < bounds.MinInstances {
			note := fmt.Sprintf(" (min_instances %d)", bounds.MinInstances)
			few = append(few, loss{query: query, from: c.before.live.Services[query], to: to, note: note})
		}
		if exceeds(from-to, from, bounds.MaxShrink) {
			note := fmt.Sprintf(" (%s, max_shrink %s)", share(from-to, from), percent(bounds.MaxShrink))
			shrunk = append(shrunk, loss{query: query, from: from, to: to, note: note})
		}
	}
	var reasons []string
	for _, r := range []struct {
		what string
		list []loss
	}{{"too few instances would be left: ", few}, {"too much of a service would vanish: ", shrunk}} {
		if len(r.list) > 0 {
			sortLosses(r.list)
			reasons = append(reasons, r.what+listed(r.list, "service"))
		}
	}
	return reasons
}

// doubted looks at the answers that are not to be trusted: one for each kind of doubt, up
// to a number of them.
func (c comparison) doubted(doubts map[string]string) []string {
	lists := map[string][]loss{}
	for query, why := range doubts {
		if l, shrank := c.lostIn(query); shrank && !c.standing(query, why, l.to) {
			lists[why] = append(lists[why], l)
		}
	}
	var reasons []string
	whys := slices.Sorted(maps.Keys(lists))
	for _, why := range whys[:min(named, len(whys))] {
		list := lists[why]
		sortLosses(list)
		reasons = append(reasons, fmt.Sprintf("Consul's answer is not to be trusted, %s: %s", line(why), listed(list, "answer")))
	}
	if rest := more(len(whys)-named, "reason"); rest != "" {
		reasons[named-1] += ";" + rest
	}
	return reasons
}

// lostIn tells how much smaller an answer is than the one that is live. Of a first rollout
// nobody knows that: an empty answer counts as smaller where there is an output to keep.
func (c comparison) lostIn(query string) (l loss, shrank bool) {
	_, service := c.after.Services[query]
	_, list := c.after.Lists[query]
	l = loss{query: query, from: c.before.live.count(query), to: c.after.count(query)}
	if !c.before.known && c.keeps && (service || list) && l.to == 0 {
		l.note = " (nothing is known of before)"
		return l, true
	}
	return l, l.to < l.from
}

// standing tells whether a doubt is no news: a token of few rights never sees all of a
// list. That all of it is gone is news.
func (c comparison) standing(query, why string, left int) bool {
	return why == watch.DoubtACL && left > 0 && c.before.live.Doubts[query] == why
}

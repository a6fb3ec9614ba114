package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/watch"
)

// counts are instances by the argument of service.
type counts map[string]int

func facts(services counts) guard.Facts {
	f := guard.Facts{Services: map[string]int{}, Lists: map[string]int{}}
	for arg, n := range services {
		f.Services[fmt.Sprintf("service %q", arg)] = n
	}
	return f
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// live is what there is to compare with after one rollout, nil for a first one.
func live(services counts) guard.Before {
	var h guard.History
	if services != nil {
		h.Add(noon, facts(services))
	}
	return h.Before(noon, time.Minute)
}

type outputs map[string][]byte

// output is one of two lines.
var output = outputs{"x.conf": []byte("a\nb\n")}

// many are n services with some instances each.
func many(n, instances int) counts {
	c := counts{}
	for i := range n {
		c[fmt.Sprintf("s%03d", i)] = instances
	}
	return c
}

// with changes some of the services; a negative number takes one out.
func (c counts) with(more counts) counts {
	out := counts{}
	for _, from := range []counts{c, more} {
		for name, n := range from {
			if out[name] = n; n < 0 {
				delete(out, name)
			}
		}
	}
	return out
}

func TestInstances(t *testing.T) {
	t.Parallel()
	half := guard.Limits{MaxShrink: 0.5}
	three := guard.Limits{MinInstances: 3}
	for name, tc := range map[string]struct {
		limits        guard.Limits
		before, after counts
		want          []string
	}{
		"no bounds":                           {guard.Limits{}, counts{"web": 8}, counts{}, nil},
		"nothing changes":                     {half, counts{"web": 8}, counts{"web": 8}, nil},
		"exactly as much as may":              {half, counts{"web": 8}, counts{"web": 4}, nil},
		"one more":                            {half, counts{"web": 8}, counts{"web": 3}, []string{"5 of 8 instances would vanish (62.5%, max_shrink 50%): web 8 → 3"}},
		"two services":                        {half, counts{"web": 8, "api": 4, "db": 3}, counts{"web": 0, "api": 0, "db": 3}, []string{"12 of 15 instances would vanish (80%, max_shrink 50%): web 8 → 0, api 4 → 0"}},
		"not asked for any more":              {half, counts{"web": 8, "api": 2}, counts{"api": 2}, []string{"8 of 10 instances would vanish (80%, max_shrink 50%): web 8 → 0"}},
		"one small service of many":           {half, many(200, 2).with(counts{"x": 1}), many(200, 2).with(counts{"x": 0}), nil},
		"most services, few instances":        {half, counts{"big": 100, "a": 1, "b": 1}, counts{"big": 100, "a": 0}, []string{"2 of 3 services with instances would vanish (66.7%, max_shrink 50%): a 1 → 0, b 1 → 0"}},
		"others do not make up for it":        {half, counts{"blue": 8}, counts{"blue": 0, "green": 80}, []string{"8 of 8 instances would vanish (100%, max_shrink 50%): blue 8 → 0"}},
		"growing":                             {guard.Limits{MaxShrink: 0.01, MinInstances: 100}, counts{"web": 1}, counts{"web": 2, "api": 1}, nil},
		"the share is what was written":       {guard.Limits{MaxShrink: 0.29}, counts{"web": 100}, counts{"web": 71}, nil},
		"never less than it is":               {half, counts{"web": 100_001}, counts{"web": 50_000}, []string{"50001 of 100001 instances would vanish (50.1%, max_shrink 50%): web 100001 → 50000"}},
		"all may vanish":                      {guard.Limits{MaxShrink: 1}, counts{"web": 8}, counts{}, nil},
		"first rollout":                       {half, nil, counts{}, nil},
		"two filters":                         {half, counts{"web": 1, "web|any": 3}, counts{"web": 0, "web|any": 3}, nil},
		"there were none":                     {half, counts{"web": 0}, counts{}, nil},
		"too few":                             {three, counts{"web": 3, "api": 1}, counts{"web": 1, "api": 1}, []string{"2 instances would be left, at least 3 are wanted (min_instances): web 3 → 1"}},
		"just enough":                         {three, counts{"web": 4}, counts{"web": 3}, nil},
		"too few as before":                   {three, counts{"web": 2}, counts{"web": 2}, nil},
		"too few and fewer":                   {three, counts{"web": 2}, counts{"web": 1}, []string{"1 instances would be left, at least 3 are wanted (min_instances): web 2 → 1"}},
		"still too few, but more":             {three, counts{"web": 1}, counts{"web": 2}, nil},
		"still too few, in another place":     {three, counts{"web": 2}, counts{"api": 2}, nil},
		"too few at first, with an output":    {three, nil, counts{"web": 2}, []string{"2 instances, at least 3 are wanted (min_instances)"}},
		"enough at first, with an output":     {three, nil, counts{"web": 3}, nil},
		"several reasons":                     {guard.Limits{MinInstances: 3, MaxShrink: 0.5}, counts{"web": 8}, counts{}, []string{"0 instances would be left, at least 3 are wanted (min_instances): web 8 → 0", "8 of 8 instances would vanish (100%, max_shrink 50%): web 8 → 0"}},
		"a bound that is none":                {guard.Limits{MaxShrink: -1, MinInstances: -1, MaxChangeLines: -1}, counts{"web": 8}, counts{}, nil},
		"a service that was not there before": {half, counts{"web": 2}, counts{"web": 2, "new": 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tc.limits.Check(live(tc.before), facts(tc.after), nil, output, output)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Where there is no output there is nothing to keep: a start goes on with what there is.
func TestFirstRolloutWithNothingToKeep(t *testing.T) {
	t.Parallel()
	limits := guard.Limits{MinInstances: 3, MaxShrink: 0.1, MaxChangeLines: 1}
	doubts := map[string]string{`service "web"`: watch.DoubtACL}
	for name, old := range map[string]outputs{"none": {}, "an empty one": {"x.conf": []byte("# nothing\n\n")}} {
		if got := limits.Check(live(nil), facts(counts{"web": 0}), doubts, old, output); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	limits := guard.Limits{Services: []guard.ServiceLimits{
		{Name: "w*", MinInstances: 5},
		{Name: "web", MinInstances: 2, MaxShrink: 0.5},
		{Name: "*", MaxShrink: 0.9},
	}}
	for name, tc := range map[string]struct {
		before, after counts
		want          []string
	}{
		"its own bounds count, not the pattern's": {counts{"web": 5}, counts{"web": 3}, nil},
		"too few":                    {counts{"web": 2}, counts{"web": 1}, []string{"too few instances would be left: web 2 → 1 (min_instances 2)"}},
		"with tag and filter":        {counts{"http.web@dc1|any": 2}, counts{"http.web@dc1|any": 1}, []string{"too few instances would be left: http.web@dc1|any 2 → 1 (min_instances 2)"}},
		"too much and too few":       {counts{"web": 9}, counts{"web": 1}, []string{"too few instances would be left: web 9 → 1 (min_instances 2)", "too much of a service would vanish: web 9 → 1 (88.9%, max_shrink 50%)"}},
		"not asked for any more":     {counts{"web": 2, "api": 9}, counts{"api": 9}, []string{"too few instances would be left: web 2 → 0 (min_instances 2)", "too much of a service would vanish: web 2 → 0 (100%, max_shrink 50%)"}},
		"it begins with too few":     {counts{"api": 1}, counts{"api": 1, "web": 1}, nil},
		"too few as before":          {counts{"web": 1}, counts{"web": 1}, nil},
		"too few, and less":          {counts{"web": 1}, counts{"web": 0}, []string{"too few instances would be left: web 1 → 0 (min_instances 2)", "too much of a service would vanish: web 1 → 0 (100%, max_shrink 50%)"}},
		"the first pattern":          {counts{"worker": 5}, counts{"worker": 0}, []string{"too few instances would be left: worker 5 → 0 (min_instances 5)"}},
		"the pattern for the rest":   {counts{"api": 1}, counts{"api": 0}, []string{"too much of a service would vanish: api 1 → 0 (100%, max_shrink 90%)"}},
		"first rollout":              {nil, counts{"web": 0}, nil},
		"several, the largest first": {counts{"wa": 7, "wb": 9, "wc": 9}, counts{}, []string{"too few instances would be left: wb 9 → 0 (min_instances 5), wc 9 → 0 (min_instances 5), wa 7 → 0 (min_instances 5)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := limits.Check(live(tc.before), facts(tc.after), nil, output, output)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for pattern, names := range map[string]string{ // those with ! do not match
		"web": "web !web2 !aweb !we", "*": "web a-b", "web*": "web web2 !aweb", "*web": "web aweb !web2",
		"a*b*c": "abc aXbYc aabbcc !acb !ab", "a**c": "ac abc !a", "a*a": "aa aba !a", "": "!web",
	} {
		for name := range strings.FieldsSeq(names) {
			name, not := strings.CutPrefix(name, "!")
			limits := guard.Limits{Services: []guard.ServiceLimits{{Name: pattern, MinInstances: 1}}}
			if got := limits.Check(live(counts{name: 1}), facts(counts{}), nil, nil, nil); len(got) > 0 == not {
				t.Errorf("%q and %q: %q", pattern, name, got)
			}
		}
	}
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	const anew = "Consul's state began anew at 12:00:00"
	doubts := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	web, list := `service "web"`, "services"
	for name, tc := range map[string]struct {
		before, after    int // of web; below 0: a first rollout, or not asked for
		listWas, listNow int
		stood, doubts    map[string]string
		want             []string
	}{
		"not smaller":           {3, 3, 5, 5, nil, doubts(web, anew, list, anew), nil},
		"larger":                {3, 4, 5, 6, nil, doubts(web, anew, list, anew), nil},
		"smaller":               {3, 2, 5, 5, nil, doubts(web, anew), []string{"Consul's answer is not to be trusted, " + anew + ": web 3 → 2"}},
		"the list":              {3, 3, 5, 4, nil, doubts(list, anew), []string{"Consul's answer is not to be trusted, " + anew + ": services 5 → 4"}},
		"smaller without doubt": {3, 2, 5, 4, nil, doubts(`service "api"`, anew), nil},
		"both":                  {3, 0, 5, 1, nil, doubts(web, anew, list, anew), []string{"Consul's answer is not to be trusted, " + anew + ": services 5 → 1, web 3 → 0"}},
		"two reasons":           {3, 0, 5, 1, nil, doubts(web, anew, list, watch.DoubtACL), []string{"Consul's answer is not to be trusted, " + anew + ": web 3 → 0", "Consul's answer is not to be trusted, " + watch.DoubtACL + ": services 5 → 1"}},
		"it never saw all":      {3, 3, 5, 4, doubts(list, watch.DoubtACL), doubts(list, watch.DoubtACL), nil},
		"now it sees nothing":   {3, 3, 5, 0, doubts(list, watch.DoubtACL), doubts(list, watch.DoubtACL), []string{"Consul's answer is not to be trusted, " + watch.DoubtACL + ": services 5 → 0"}},
		"the same for anew":     {3, 3, 5, 4, doubts(list, anew), doubts(list, anew), []string{"Consul's answer is not to be trusted, " + anew + ": services 5 → 4"}},
		"first, something":      {-1, 3, 0, 1, nil, doubts(web, anew, list, anew), nil},
		"first, nothing":        {-1, 0, 0, 1, nil, doubts(web, anew), []string{"Consul's answer is not to be trusted, " + anew + ": web 0 → 0 (nothing is known of before)"}},
		"not asked for":         {3, -1, 5, 5, nil, doubts(web, anew), []string{"Consul's answer is not to be trusted, " + anew + ": web 3 → 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h guard.History
			if tc.before >= 0 {
				was := facts(counts{"web": tc.before})
				was.Lists[list] = tc.listWas
				h.Add(noon, was.With(tc.stood))
			}
			now := facts(counts{"web": tc.after}.with(nil))
			now.Lists[list] = tc.listNow
			got := guard.Limits{}.Check(h.Before(noon, 0), now, tc.doubts, output, output)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	limits := guard.Limits{MinInstances: 1, MaxShrink: 0.1, Services: []guard.ServiceLimits{{Name: "*", MinInstances: 1, MaxShrink: 0.1}}}
	doubts := map[string]string{}
	before := many(300, 2).with(counts{"big": 9})
	for query := range facts(before).Services {
		doubts[query] = "reason " + query
	}
	first := limits.Check(live(before), facts(nil), doubts, output, outputs{"x.conf": nil})
	if len(first) > 10 {
		t.Errorf("%d reasons", len(first))
	}
	text := strings.Join(first, "\n")
	for _, want := range []string{
		"(100%, max_shrink 10%): big 9 → 0, s000 2 → 0, s001 2 → 0, s002 2 → 0, s003 2 → 0 and 296 more services",
		"; and 296 more reasons", "the output would be empty",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for range 20 {
		if diff := cmp.Diff(first, limits.Check(live(before), facts(nil), doubts, output, outputs{"x.conf": nil})); diff != "" {
			t.Fatalf("not the same again\n%s", diff)
		}
	}
}

func TestNamesFromConsul(t *testing.T) {
	t.Parallel()
	hostile := "web\x1b[2J\n\u202e" + strings.Repeat("x", 1000)
	query := watch.Query{Kind: watch.KindService, Name: hostile}.String()
	other := watch.Query{Kind: watch.KindConnect, Name: "web"}.String()
	var h guard.History
	h.Add(noon, guard.Facts{Services: map[string]int{query: 2, other: 1}})
	got := guard.Limits{MaxShrink: 0.1}.Check(h.Before(noon, 0), guard.Facts{}, map[string]string{query: "a\nb\x1b"}, output, output)
	if len(got) != 2 {
		t.Fatalf("%q", got)
	}
	for _, reason := range got {
		if len(reason) > 400 || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == '\u202e' || r == '\x1b' }) {
			t.Errorf("%q", reason)
		}
	}
	if !strings.Contains(got[1], `): "web\x1b[2J\n\u202e`) || !strings.Contains(got[1], "connect web 1 → 0") {
		t.Errorf("%s", got[1])
	}
}

package consul

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

// randomServices are few enough to be the same now and then, with what JSON has to escape.
func randomServices(r *rand.Rand) map[string][]string {
	texts := []string{"a", "b", `a"`, `\`, `\"`, "[", "]", "ü", "", "a,b", "\u2028", "a\x00b"}
	services := map[string][]string{}
	for range r.IntN(4) {
		var tags []string
		for _, i := range r.Perm(len(texts))[:r.IntN(4)] {
			tags = append(tags, texts[i])
		}
		services[texts[r.IntN(len(texts))]] = tags
	}
	return services
}

// The prints of two lists are equal when the lists are, and only then.
func TestPrintOfAList(t *testing.T) {
	t.Parallel()
	lists := newLists()
	seen := map[uint64][]byte{}
	for i := range uint64(20_000) {
		r := rand.New(rand.NewPCG(i, 1))
		services := randomServices(r)
		body, err := json.Marshal(services)
		if err != nil {
			t.Fatal(err)
		}
		for _, tags := range services {
			r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		}
		shuffled, err := json.MarshalIndent(services, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		now := lists.print(body)
		if lists.print(shuffled) != now {
			t.Fatalf("the prints of %s and %s differ", body, shuffled)
		}
		before, ok := seen[now]
		if seen[now] = body; ok && !reflect.DeepEqual(read(t, before), read(t, body)) {
			t.Fatalf("the prints of %s and %s are equal", before, body)
		}
	}
	if len(seen) > 15_000 {
		t.Errorf("%d lists were different: too few were the same", len(seen))
	}
}

// A list that comes again is the very same, which nobody has to compare.
func TestListThatComesAgain(t *testing.T) {
	t.Parallel()
	bodies := []string{`{"web":["b","a"],"db":[]}`, `{"db":[],"web":["a","b"]}`, `{"db":[],"web":["a","c"]}`, "[]"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, bodies[0])
		bodies = bodies[1:]
	}))
	defer server.Close()
	s, err := New(Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() []*watch.ServiceSummary {
		list, _ := fetch(t, s, watch.Query{Kind: watch.KindServices}).([]*watch.ServiceSummary)
		return list
	}
	first, second, third := ask(), ask(), ask()
	if &first[0] != &second[0] {
		t.Error("the same list was read again")
	}
	if got := third[1].Tags[1]; got != "c" {
		t.Errorf("a tag is %s, want c", got)
	}
	if _, err := s.Fetch(t.Context(), watch.Query{Kind: watch.KindServices}, 0, 0); err == nil {
		t.Error("no error for an answer that is no list of services")
	}
}

func read(t *testing.T, body []byte) map[string][]string {
	t.Helper()
	services := map[string][]string{}
	list, err := summaries(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		services[s.Name] = s.Tags
	}
	return services
}

func BenchmarkPrint(b *testing.B) {
	services := map[string][]string{}
	for i := range 5000 {
		services[fmt.Sprintf("service-%d", i)] = []string{"http", "zone-a", "zone-b"}
	}
	body, err := json.Marshal(services)
	if err != nil {
		b.Fatal(err)
	}
	lists := newLists()
	for b.Loop() {
		lists.print(body)
	}
}

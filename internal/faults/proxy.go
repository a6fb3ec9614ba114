package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// answers are the ways in which an agent does not answer well.
var answers = map[string]func(http.ResponseWriter, *http.Request){
	"garbage": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "\u2603")
		fmt.Fprint(w, "<html>\x00\xff no Consul here")
	},
	"empty": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "1")
		fmt.Fprint(w, "[]")
	},
	"429": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Your IP is issuing too many concurrent connections", http.StatusTooManyRequests)
	},
	"500": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	},
	"hang":      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, // until the client gives up
	"truncated": nil,                                                                   // of what the agent answers
	"cut":       nil,
}

// proxy stands before an agent and may answer in its place.
type proxy struct {
	url    string
	agent  *httputil.ReverseProxy
	server *httptest.Server

	mu      sync.Mutex
	how     string          // of answers; empty: as the agent does
	good    context.Context // of the requests that the agent has
	end     context.CancelFunc
	atAgent sync.WaitGroup // these requests
}

func (t *trial) proxy(agent *servers.Consul) *proxy {
	p := &proxy{agent: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent.HTTPAddr})}
	p.agent.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	p.set("")
	p.server = httptest.NewServer(p)
	p.url = p.server.URL
	t.later(func() error {
		p.server.CloseClientConnections()
		p.set("")
		p.server.Close()
		return nil
	})
	return p
}

// set chooses how it answers. What the agent has not answered yet is cut off: when set
// returns, nothing that happens at the agent is told any more.
func (p *proxy) set(how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		p.end()
	}
	p.atAgent.Wait()
	p.how = how
	p.good, p.end = context.WithCancel(context.Background())
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	how, good := p.how, p.good
	if how == "" {
		p.atAgent.Add(1)
		defer p.atAgent.Done()
	}
	p.mu.Unlock()
	if f := answers[how]; f != nil {
		f(w, r)
		return
	}
	if how != "" {
		p.truncate(w, r, how == "cut")
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(good, cancel)()
	p.agent.ServeHTTP(w, r.WithContext(ctx))
}

// truncate answers half of what the agent does: as if that were all, or with the
// connection cut.
func (p *proxy) truncate(w http.ResponseWriter, r *http.Request, cut bool) {
	query := r.URL.Query()
	query.Del("index") // at once
	r.URL.RawQuery = query.Encode()
	recorded := httptest.NewRecorder()
	p.agent.ServeHTTP(recorded, r)
	body := recorded.Body.Bytes()
	for name, values := range recorded.Header() {
		if name != "Content-Length" || cut {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(body[:len(body)/2])
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// badAnswers has the agent answer badly for a while, in one way after the other.
func badAnswers(ways ...string) func(*trial) error {
	return func(t *trial) error {
		agent, err := t.agent(servers.ConsulOptions{})
		if err != nil {
			return err
		}
		p := t.proxy(agent)
		w, err := t.follow(options{agent: agent, addr: strings.TrimPrefix(p.url, "http://"), top: guarded + `block_query_wait = "3s"`})
		if err != nil {
			return err
		}
		var took times
		for _, how := range ways {
			before := w.now
			p.set(how)
			if err := errors.Join(w.next(""), w.stays(before)); err != nil {
				return fmt.Errorf("%s: %w", how, err)
			}
			p.set("")
			d, err := w.settled()
			if err != nil {
				return fmt.Errorf("after %s: %w", how, err)
			}
			took = append(took, d)
		}
		t.note("for %s each; good answers to all well %s", short(t.span()), took)
		return nil
	}
}

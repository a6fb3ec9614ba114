package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// guarded is the configuration against a catalog that is empty by accident.
const guarded = "guard { }\n"

// agent starts one.
func (t *trial) agent(o servers.ConsulOptions) (*servers.Consul, error) {
	agent, err := servers.StartConsul(t.ctx, o)
	if err == nil {
		t.later(agent.Stop)
	}
	return agent, err
}

// consulKilled kills the agent, and starts it again with its state.
func consulKilled(t *trial) error {
	agent, err := t.agent(servers.ConsulOptions{Persistent: true})
	if err != nil {
		return err
	}
	w, err := t.follow(options{agent: agent, top: guarded})
	if err != nil {
		return err
	}
	mark := w.daemon.log.mark()
	agent.Kill()
	if err := errors.Join(w.logged(mark, "cannot be reached"), w.stays(w.now), agent.Restart(t.ctx), w.next("")); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("a change after its return to all well %s", short(took))
	return err
}

// consulEmpty kills the agent, and starts it with nothing.
func consulEmpty(t *trial) error {
	agent, err := t.agent(servers.ConsulOptions{})
	if err != nil {
		return err
	}
	w, err := t.follow(options{agent: agent, top: guarded})
	if err != nil {
		return err
	}
	mark := w.daemon.log.mark()
	agent.Kill()
	if err := errors.Join(agent.RestartFresh(t.ctx), w.logged(mark, "rollout held"), w.stays(w.now)); err != nil {
		return err
	}
	if err := errors.Join(w.source.say(state{}, w.now), w.next("")); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("services are back to all well %s", short(took))
	return err
}

// stays looks for a while whether a state stays live.
func (w *world) stays(s state) error {
	for end := time.Now().Add(w.span()); time.Now().Before(end) && w.ctx.Err() == nil; {
		if err := w.shows(s); err != nil {
			return fmt.Errorf("it did not stay: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return w.valid()
}

// span is how long a fault lasts.
func (t *trial) span() time.Duration {
	if t.full {
		return 3 * time.Second
	}
	return 500 * time.Millisecond
}

// consulFrozen has the agent stand still: connections stay open, and nothing answers.
func consulFrozen(t *trial) error {
	agent, err := t.agent(servers.ConsulOptions{})
	if err != nil {
		return err
	}
	w, err := t.follow(options{agent: agent, top: guarded})
	if err != nil {
		return err
	}
	if err := errors.Join(agent.Freeze(), w.stays(w.now), agent.Thaw(), w.next("")); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("a change after that to all well %s", short(took))
	return err
}

// leaderLost takes the leader from a cluster of three, and then another server.
func leaderLost(t *trial) error {
	cluster, err := servers.StartCluster(t.ctx, 3, servers.ConsulOptions{})
	if err != nil {
		return err
	}
	t.later(cluster.Stop)
	leader, err := cluster.Leader(t.ctx)
	if err != nil {
		return err
	}
	var others []*servers.Consul
	for _, s := range cluster.Servers {
		if s != leader {
			others = append(others, s)
		}
	}
	w, err := t.follow(options{agent: others[0], top: guarded})
	if err != nil {
		return err
	}
	leader.Kill()
	start := time.Now()
	if _, err := cluster.Leader(t.ctx); err != nil {
		return err
	}
	if err := errors.Join(w.shows(w.now), w.next("")); err != nil {
		return err
	}
	if _, err := w.settled(); err != nil {
		return err
	}
	t.note("leader killed to the next change live %s", short(time.Since(start)))
	others[1].Kill()
	err = w.wait(func() error {
		if _, _, err := others[0].Client.KV().Get("head", &api.QueryOptions{RequireConsistent: true}); err == nil {
			return errors.New("there is still a leader")
		}
		return nil
	})
	if err := errors.Join(err, w.stays(w.now), leader.Restart(t.ctx), others[1].Restart(t.ctx), w.next("")); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("without any leader all stayed; a change after that live in %s", short(took))
	return err
}

// tokenRevoked takes the token's rights, and then the token itself. A query that waits
// does not notice, so it waits shortly here.
func tokenRevoked(t *trial) error {
	agent, err := t.agent(servers.ConsulOptions{ACL: true})
	if err != nil {
		return err
	}
	policy := &api.ACLPolicy{Name: "read", Rules: `key_prefix "" { policy = "read" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`}
	acl, rules := agent.Client.ACL(), policy.Rules
	if policy, _, err = acl.PolicyCreate(policy, nil); err != nil {
		return err
	}
	var token *api.ACLToken
	issue := func(w *world) error {
		var err error
		token, _, err = acl.TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}, nil)
		if err != nil {
			return err
		}
		return os.WriteFile(w.path("token"), []byte(token.SecretID), 0o600)
	}
	w, err := t.follow(options{agent: agent, top: guarded + `block_query_wait = "1s"`, before: issue, consul: "token_file = \"DIR/token\"\n"})
	if err != nil {
		return err
	}
	grant := func(rules string) error {
		policy.Rules = rules
		_, _, err := acl.PolicyUpdate(policy, nil)
		return err
	}
	mark := w.daemon.log.mark()
	if err := errors.Join(grant(""), w.logged(mark, "Permission denied"), w.stays(w.now), grant(rules), w.next("")); err != nil {
		return err
	}
	took, err := w.settled()
	if err != nil {
		return err
	}
	t.note("rights are back to all well %s", short(took))
	mark = w.daemon.log.mark()
	_, err = acl.TokenDelete(token.AccessorID, nil)
	if err := errors.Join(err, w.logged(mark, "403"), w.stays(w.now), issue(w), w.next("")); err != nil {
		return err
	}
	took, err = w.settled()
	t.note("a new token to all well %s", short(took))
	return err
}

package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// ill has all of v2 fail their checks. They go on to serve, as something that is half
// broken does.
func (s *story) ill(ctx context.Context) error {
	start := time.Now()
	if err := s.health(ctx, false, census.allV1); err != nil {
		return err
	}
	s.say("v2 is ill: all users get v1 within %s; Consul checks each second, and this looks about as often", ms(time.Since(start)))
	start = time.Now()
	had := func(c census) bool { return maps.Equal(c, s.had) }
	if err := s.health(ctx, true, had); err != nil {
		return err
	}
	s.say("v2 passes again: within %s each user has again what he had", ms(time.Since(start)))
	return nil
}

// health has v2 fall ill or recover, and waits until the users have what they should.
// There may be several reloads, since not all instances are checked at once.
func (s *story) health(ctx context.Context, healthy bool, want func(census) bool) error {
	for _, shop := range s.shops["v2"] {
		shop.SetHealthy(healthy)
	}
	for {
		s.traffic.take()
		if err := s.traffic.rounds(ctx, 1); err != nil {
			return err
		}
		c := census{}
		settled := true
		for _, v := range s.traffic.take() {
			settled = c.add(v.user, v.version) == nil && settled
		}
		if settled && want(c) {
			return nil
		}
	}
}

// nonsense writes values that are none, each at 50 %: they count as 0, and are named.
func (s *story) nonsense(ctx context.Context) error {
	had := maps.Clone(s.had)
	for _, value := range []string{"-1", "101", "2.5", "abc", "5%; } server { listen 81; }", strings.Repeat("9", 400<<10)} {
		name := fmt.Sprintf("%q", value)
		if len(value) > 40 {
			name = fmt.Sprintf("%d KB of 9s", len(value)>>10)
		}
		named := s.named()
		c, err := s.change(ctx, func(ctx context.Context) error { return s.put(ctx, value) }, onlyV1)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := s.isNamed(ctx, named); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.say("%s: all users have v1 after %s, and log and status say why", name, ms(c.last))
		if _, err := s.change(ctx, func(ctx context.Context) error { return s.put(ctx, "50\n") }, shared(50)); err != nil {
			return err
		}
		if !maps.Equal(had, s.had) {
			return fmt.Errorf("after %s not all users got back what they had", name)
		}
	}
	s.say(`"50\n" after each: all users have again what they had`)
	return s.missing(ctx)
}

// complaint is what log and status say.
const complaint = "want a whole number, 0 to 100"

// named counts how often the log names a percentage that is none.
func (s *story) named() int { return strings.Count(s.ctmpl.said(), complaint) }

// isNamed waits until the log has one more, and the status has it. Neither may hold the
// value, which can be long, or a secret that went to the wrong key.
func (s *story) isNamed(ctx context.Context, before int) error {
	var status string
	err := servers.Wait(ctx, func() (err error) {
		if s.named() == before {
			return fmt.Errorf("the log does not name the key")
		}
		status, err = s.status(ctx)
		if err == nil && (!strings.Contains(status, canaryKey) || !strings.Contains(status, complaint)) {
			err = fmt.Errorf("the status does not name the key:\n%s", status)
		}
		return err
	})
	for _, text := range []string{status, s.ctmpl.said()} {
		if err == nil && (strings.Contains(text, "listen 81") || strings.Contains(text, "99999999")) {
			err = fmt.Errorf("the value is in log or status")
		}
	}
	return err
}

// missing deletes the key while both versions are there: requests go to all instances.
func (s *story) missing(ctx context.Context) error {
	before := s.nginx.Workers()
	if err := s.unset(ctx); err != nil {
		return err
	}
	if err := s.reaches(ctx, both, before); err != nil {
		return err
	}
	s.traffic.take()
	if err := s.traffic.rounds(ctx, 3); err != nil {
		return err
	}
	visits, canary := s.traffic.take(), 0
	for _, v := range visits {
		if v.version == "v2" {
			canary++
		}
	}
	s.say("no key: %d of %d requests go to v2, which has two of five instances, and nobody keeps a version", canary, len(visits))
	if share := float64(canary) / float64(len(visits)); share < 0.3 || share > 0.5 {
		return fmt.Errorf("v2 has %.2f of the requests", share)
	}
	return nil
}

// all ends v1's work: its users move, after the key is there again.
func (s *story) all(ctx context.Context) error {
	before := s.nginx.Workers()
	if err := s.put(ctx, "50"); err != nil {
		return err
	}
	if err := s.reaches(ctx, shared(50), before); err != nil {
		return err
	}
	if err := s.turn(ctx, "100", onlyV2); err != nil {
		return err
	}
	if n := s.had.of("v1"); n > 0 {
		return fmt.Errorf("%d users still get v1", n)
	}
	return nil
}

// leave takes v1 out of Consul and stops it. nginx does not know it any more.
func (s *story) leave(ctx context.Context) error {
	served := s.served("v1")
	for _, shop := range s.shops["v1"] {
		if err := shop.leave(ctx); err != nil {
			return err
		}
	}
	if err := s.passing(ctx, "v1", 0); err != nil {
		return err
	}
	for _, shop := range s.shops["v1"] {
		if err := shop.Stop(); err != nil {
			return err
		}
	}
	s.traffic.take()
	if err := s.traffic.rounds(ctx, 2); err != nil {
		return err
	}
	s.say("v1 has gone: %d requests since, 0 failed, 0 to v1", len(s.traffic.take()))
	if n := s.served("v1") - served; n > 0 {
		return fmt.Errorf("v1 has had %d requests since 100 %%", n)
	}
	return nil
}

// over deletes the key. Nothing in nginx's file changes: v2 is the shop.
func (s *story) over(ctx context.Context) error {
	before, err := s.file()
	if err != nil {
		return err
	}
	if err := s.unset(ctx); err != nil {
		return err
	}
	if err := s.traffic.rounds(ctx, 2); err != nil {
		return err
	}
	for _, v := range s.traffic.take() {
		if v.version != "v2" {
			return fmt.Errorf("%s has answered", v.version)
		}
	}
	after, err := s.file()
	if err != nil || after != before {
		return fmt.Errorf("nginx's file has changed (%v):\n%s", err, after)
	}
	s.say("v2 is all there is, and nginx's file is the same: no reload")
	s.traffic.stop()
	s.say("all in all %d requests of the regulars, 0 failed", s.traffic.sum())
	return s.inTime()
}

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// begin starts v1, and writes the percentage before there is a v2.
func (s *story) begin(ctx context.Context) error {
	before := s.nginx.Workers()
	if err := s.start(ctx, "v1", 3); err != nil {
		return err
	}
	if err := s.reaches(ctx, onlyV1, before); err != nil {
		return err
	}
	s.traffic = startTraffic(s.addr)
	if err := s.traffic.rounds(ctx, 2); err != nil {
		return err
	}
	s.had = census{}
	for _, v := range s.traffic.take() {
		s.had[v.user] = v.version
	}
	s.say("three instances; %d regular users from now on, %d requests at a time", regulars, callers)
	return s.put(ctx, "0")
}

// start starts instances of a version.
func (s *story) start(ctx context.Context, version string, n int) error {
	for i := range n {
		shop, err := startInstance(ctx, s.consul, version, i+1)
		if err != nil {
			return err
		}
		s.cleanup(func() error { shop.Kill(); return nil })
		s.shops[version] = append(s.shops[version], shop)
	}
	return s.passing(ctx, version, n)
}

// none has v2 come. Nothing in nginx's file changes, so the step is over when users have
// come for a while.
func (s *story) none(ctx context.Context) error {
	if err := s.start(ctx, "v2", 2); err != nil {
		return err
	}
	if err := s.traffic.rounds(ctx, 3); err != nil {
		return err
	}
	if n := s.served("v2"); n > 0 {
		return fmt.Errorf("v2 has had %d requests", n)
	}
	s.say("two instances of v2 are in Consul: %d requests since, 0 of them to v2", len(s.traffic.take()))
	return nil
}

// served gives how many requests the instances of a version have had.
func (s *story) served(version string) (n int64) {
	for _, shop := range s.shops[version] {
		n += shop.Requests()
	}
	return n
}

// few gives the canary to 5 % and asks for 20,000 users.
func (s *story) few(ctx context.Context) (err error) {
	if err := s.turn(ctx, "5", shared(5)); err != nil {
		return err
	}
	if s.survey, err = survey(ctx, s.addr, people(20_000)); err != nil {
		return err
	}
	share := s.survey.share()
	s.say("20,000 requests of as many users, 0 failed: v1 %d, v2 %d: %.2f %%", s.survey.of("v1"), s.survey.of("v2"), share)
	if share < 4 || share > 6 {
		return fmt.Errorf("v2 has %.2f %% of the users", share)
	}
	return nil
}

// sticky has all users of v2 and as many of v1 come again, and then those without a
// cookie, who are known by their address.
func (s *story) sticky(ctx context.Context) error {
	var again []string
	n := s.survey.of("v2")
	left := map[string]int{"v1": n, "v2": n}
	for _, user := range slices.Sorted(maps.Keys(s.survey)) {
		if version := s.survey[user]; left[version] > 0 {
			left[version]--
			again = append(again, user)
		}
	}
	for range 3 {
		now, err := survey(ctx, s.addr, again)
		if err != nil {
			return err
		}
		for _, user := range again {
			if err := s.survey.add(user, now[user]); err != nil {
				return err
			}
		}
	}
	s.say("%d users come three times more: all get what they had", len(again))
	return s.anonymous(ctx)
}

func (s *story) anonymous(ctx context.Context) error {
	b := newBrowser(s.addr, false)
	defer b.close()
	c := census{}
	for range 100 {
		version, err := b.ask(ctx, "")
		if err == nil {
			err = c.add("who has no cookie", version)
		}
		if err != nil {
			return err
		}
	}
	s.say("100 requests of one address without a cookie: all to %s", c["who has no cookie"])
	return nil
}

// half moves more users, and none back.
func (s *story) half(ctx context.Context) (err error) {
	if err := s.turn(ctx, "50", shared(50)); err != nil {
		return err
	}
	if s.halves, err = survey(ctx, s.addr, people(2000)); err != nil {
		return err
	}
	for user, version := range s.halves {
		if s.survey[user] == "v2" && version != "v2" {
			return fmt.Errorf("%s has lost v2", user)
		}
	}
	share := s.halves.share()
	s.say("2,000 of those users: %.1f %% have v2, among them all who had it at 5 %%", share)
	if share < 45 || share > 55 {
		return fmt.Errorf("v2 has %.1f %% of the users", share)
	}
	return nil
}

// own starts an nginx from own.conf.tmpl.
func (s *story) own(ctx context.Context) error {
	nginx, addr, err := s.startOwn(ctx)
	if err != nil {
		return err
	}
	s.cleanup(nginx.Stop)
	users := slices.Sorted(maps.Keys(s.halves))
	there, err := survey(ctx, addr, users)
	if err != nil {
		return err
	}
	for _, user := range users {
		if there[user] != s.halves[user] {
			return fmt.Errorf("%s gets %s here and %s there", user, s.halves[user], there[user])
		}
	}
	s.say("%d users get the same version from an nginx by own.conf.tmpl", len(users))
	return nginx.Stop()
}

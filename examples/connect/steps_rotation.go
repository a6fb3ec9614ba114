package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// rotation gives the mesh a new root while connections live, and others are made.
func (s *story) rotation(ctx context.Context) error {
	lives, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer lives.end()
	requests := servers.StartLoad(servers.LoadOptions{Addr: s.service2, Pause: 10 * time.Millisecond})
	defer requests.Stop()
	direct, forwarded := startChat(ctx, s.socat), startChat(ctx, s.verified)
	defer direct.stop()
	defer forwarded.stop()
	if err := s.allRotate(ctx); err != nil {
		return err
	}
	for _, w := range s.ways() {
		if err := s.settled(ctx, w); err != nil {
			return err
		}
	}
	result := requests.Stop()
	n, err := direct.end()
	m, failed := forwarded.end()
	if err := errors.Join(err, failed, result.Err()); err != nil {
		return err
	}
	s.say("meanwhile %d requests over HTTP, %d connections directly and %d through the forwarder: 0 failed", result.Requests, n, m)
	if err := lives.alive(); err != nil {
		return fmt.Errorf("a connection of before the rotation: %w", err)
	}
	s.say("the connections of before still echo")
	return nil
}

// allRotate rotates, and waits until all certificates are signed by the new root, and
// nginx and the forwarder use the new ones. The agent makes them anew each after a random
// time: within half a minute, as a rule.
func (s *story) allRotate(ctx context.Context) error {
	before, err := s.issuers()
	if err != nil {
		return err
	}
	workers, loads := s.nginx.Workers(), s.loads()
	key, _, err := newKey()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.rotate(ctx, key); err != nil {
		return err
	}
	if err := s.awaitNoneOf(ctx, before); err != nil {
		return err
	}
	s.say("all %d sidecars and both files of web have certificates of the new root after %s", len(s.members), ms(time.Since(start)))
	return servers.Wait(ctx, func() error {
		fresh := slices.ContainsFunc(s.nginx.Workers(), func(pid int) bool { return !slices.Contains(workers, pid) })
		if !fresh || s.loads() == loads {
			return fmt.Errorf("nginx has new workers: %t, the forwarder has loaded its certificate %d times", fresh, s.loads()-loads)
		}
		return nil
	})
}

// loads gives how often the forwarder has loaded its certificate.
func (s *story) loads() int { return count(s.forwarder.said(), `msg="we are `) }

// awaitNoneOf looks four times a second: each look is a handshake with every sidecar.
func (s *story) awaitNoneOf(ctx context.Context, before map[string]string) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.noneOf(before)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// noneOf is nil when no certificate is signed by these any more.
func (s *story) noneOf(before map[string]string) error {
	now, err := s.issuers()
	for name, issuer := range now {
		if issuer == before[name] {
			return fmt.Errorf("%s still has a certificate of the old root", name)
		}
	}
	return err
}

// issuers gives who has signed the certificates of the sidecars and of web.
func (s *story) issuers() (map[string]string, error) {
	found := map[string]string{}
	var pair tls.Certificate
	for _, name := range []string{"tls/connect/web.pem", "mesh/web.pem"} {
		var err error
		if pair, err = tls.LoadX509KeyPair(s.etc(name), s.etc(name)); err != nil {
			return nil, err
		}
		found[name] = pair.Leaf.Issuer.CommonName
	}
	for _, id := range slices.Sorted(maps.Keys(s.members)) {
		conn, err := tls.Dial("tcp", s.members[id].addr, &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true})
		if err != nil {
			return nil, fmt.Errorf("ask %s for its certificate: %w", id, err)
		}
		found[id] = conn.ConnectionState().PeerCertificates[0].Issuer.CommonName
		conn.Close()
	}
	return found, nil
}

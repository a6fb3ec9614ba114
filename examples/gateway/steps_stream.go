package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// streamService gives a service that nginx exposes on a port, which is the last part of
// its name, and the address of that port. All echo servers listen on 127.0.0.1,
// whatever the address of their node.
func streamService(prefix string, inner, port int) (svc service, addr string) {
	svc = service{name: fmt.Sprintf("%s-%d", prefix, port), inner: inner, tags: []string{"tcp"}, address: "127.0.0.1"}
	return svc, local(port)
}

// tcp exposes two echo servers.
func (s *story) tcp(ctx context.Context) error {
	svc, addr := streamService("tcpfront", 7, s.ports.tcp)
	start := time.Now()
	first, err := s.addEcho(ctx, svc, 1)
	if err != nil {
		return err
	}
	if err := servers.Wait(ctx, func() error { return tryEcho(ctx, addr, nil) }); err != nil {
		return err
	}
	s.say("%s echoes at %s %s after its registration", svc.name, addr, ms(time.Since(start)))
	before := s.nginx.Workers()
	second, err := s.addEcho(ctx, svc, 2)
	if err != nil {
		return err
	}
	if err := s.replaced(ctx, before); err != nil {
		return err
	}
	a, b, err := share(ctx, addr, first, second)
	if err != nil {
		return err
	}
	s.say("of 20 connections %d go to one instance and %d to the other", a, b)
	if s.longLived, err = dial(ctx, addr, nil); err != nil {
		return err
	}
	s.cleanup(s.longLived.conn.Close)
	return s.longLived.echo("first line")
}

// addEcho starts an echo server and registers it on the node of that number.
func (s *story) addEcho(ctx context.Context, svc service, n int) (*servers.TCPEcho, error) {
	echo, err := servers.StartTCPEcho()
	if err != nil {
		return nil, err
	}
	s.cleanup(func() error { echo.Stop(); return nil })
	svc.container, svc.port = fmt.Sprintf("tcpfront-%d", n), echo.Port
	if err := svc.register(ctx, s.node(n), nil); err != nil {
		return nil, err
	}
	return echo, s.inFile(ctx, echo.Addr, true)
}

// share connects 20 times, and gives how many of these came to each instance.
func share(ctx context.Context, addr string, first, second *servers.TCPEcho) (a, b int64, err error) {
	a, b = first.Accepted(), second.Accepted()
	for range 20 {
		if err := tryEcho(ctx, addr, nil); err != nil {
			return 0, 0, err
		}
	}
	return first.Accepted() - a, second.Accepted() - b, nil
}

// passthrough exposes a TLS server in the same way. Only that server has the key:
// nginx passes the bytes on.
func (s *story) passthrough(ctx context.Context) error {
	echo, err := s.startTLS("secure.example.com")
	if err != nil {
		return err
	}
	svc, addr := streamService("tlsfront", 8443, s.ports.ownTLS)
	svc.container, svc.port = "tlsfront-1", echo.Port
	start := time.Now()
	if err := svc.register(ctx, s.agent, nil); err != nil {
		return err
	}
	if err := servers.Wait(ctx, func() error { return tryEcho(ctx, addr, echo.ClientConfig()) }); err != nil {
		return err
	}
	s.say("%s echoes at %s %s after its registration, with the certificate of %s", svc.name, addr, ms(time.Since(start)), echo.Name)
	var unknown x509.UnknownAuthorityError
	if err := tryEcho(ctx, addr, &tls.Config{ServerName: echo.Name}); !errors.As(err, &unknown) {
		return fmt.Errorf("a client that does not know the certificate should refuse it, and gets: %v", err)
	}
	s.say("a client that does not trust this certificate refuses it")
	return s.closePort(ctx, svc, addr)
}

// startTLS starts a server with a certificate for that name.
func (s *story) startTLS(name string) (*servers.TLSEcho, error) {
	echo, err := servers.StartTLSEcho(name)
	if err == nil {
		s.cleanup(func() error { echo.Stop(); return nil })
	}
	return echo, err
}

// closePort deregisters a service and waits until nginx does not listen for it.
func (s *story) closePort(ctx context.Context, svc service, addr string) error {
	start := time.Now()
	if err := svc.deregister(ctx, s.agent); err != nil {
		return err
	}
	err := servers.Wait(ctx, func() error {
		open, err := dial(ctx, addr, nil)
		if err != nil {
			return nil
		}
		open.conn.Close()
		return errors.New("nginx still listens at " + addr)
	})
	if err != nil {
		return err
	}
	s.say("deregistered: nginx has closed the port after %s", ms(time.Since(start)))
	return nil
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// byHost exposes two TLS servers on one and the same port: nginx reads which host the
// client asks for and passes the bytes on.
func (s *story) byHost(ctx context.Context) error {
	addr := local(s.ports.tls)
	for n, name := range []string{"shop", "bank"} {
		echo, err := s.startTLS(name + ".example.com")
		if err != nil {
			return err
		}
		svc := service{
			name: name, container: name + "-1", inner: 8443, tags: []string{"tcp"}, address: "127.0.0.1", port: echo.Port,
			meta: map[string]string{"nginx_host": echo.Name},
		}
		start := time.Now()
		if err := svc.register(ctx, s.node(n+2), nil); err != nil {
			return err
		}
		// The config trusts this one certificate alone.
		if err := servers.Wait(ctx, func() error { return tryEcho(ctx, addr, echo.ClientConfig()) }); err != nil {
			return err
		}
		s.say("%s echoes at %s %s after its registration, with its own certificate", echo.Name, addr, ms(time.Since(start)))
	}
	if err := refuseHosts(ctx, addr); err != nil {
		return err
	}
	s.say("who asks there for nobody.example.com, or for no host, is refused")
	return nil
}

// refuseHosts wants connections for hosts that nobody has to be closed without any
// certificate.
func refuseHosts(ctx context.Context, addr string) error {
	for _, host := range []string{"nobody.example.com", ""} {
		err := tryEcho(ctx, addr, &tls.Config{ServerName: host, InsecureSkipVerify: true}) // any certificate would do
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("a client that asks for %q should be refused, and gets: %v", host, err)
		}
	}
	return nil
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// identity is who we are in the mesh, and whom it trusts. Nobody changes it.
type identity struct {
	cert  tls.Certificate
	roots *x509.CertPool
	id    *url.URL // spiffe://TRUST-DOMAIN/ns/default/dc/dc1/svc/web
}

// readIdentity reads both files. The errors quote nothing of them.
func readIdentity(certFile, rootsFile string) (*identity, error) {
	info, err := os.Stat(certFile)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s holds a key that everybody may use: chmod 600 it", certFile)
	}
	i := &identity{roots: x509.NewCertPool()}
	if i.cert, err = tls.LoadX509KeyPair(certFile, certFile); err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	if i.id, err = spiffeID(i.cert.Leaf); err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	text, err := os.ReadFile(rootsFile)
	if err != nil {
		return nil, err
	}
	if !i.roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in it", rootsFile)
	}
	return i, nil
}

// svc comes before the name of the service in an ID
// (https://developer.hashicorp.com/consul/docs/connect/ca#spiffe).
const svc = "/svc/"

// spiffeID gives the name of a member of the mesh. It has just one.
func spiffeID(cert *x509.Certificate) (*url.URL, error) {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "spiffe" || !strings.Contains(cert.URIs[0].Path, svc) {
		return nil, errors.New("the certificate is of no service of a mesh")
	}
	return cert.URIs[0], nil
}

// of gives the ID of a service in our own trust domain, datacenter and namespace.
func (i *identity) of(service string) string {
	id := *i.id
	id.Path, id.RawPath = id.Path[:strings.LastIndex(id.Path, svc)]+svc+service, ""
	return id.String()
}

// client gives what a connection to an instance of the service is made with.
func (i *identity) client(service string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{i.cert},
		// A certificate of the mesh has no host name. verify does all of it.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return i.verify(state.PeerCertificates, i.of(service))
		},
	}
}

// verify wants a chain to our roots, and the ID.
func (i *identity) verify(chain []*x509.Certificate, want string) error {
	if len(chain) == 0 {
		return errors.New("it shows no certificate")
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: i.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	id, err := spiffeID(chain[0])
	if err != nil {
		return err
	}
	if id.String() != want {
		return fmt.Errorf("it is %.200s, not %s", id, want)
	}
	return nil
}

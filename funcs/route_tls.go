package funcs

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/ctmpl/ctmpl/watch"
)

// Certificate is a certificate with its key, in one file. Nobody may change it.
type Certificate struct {
	Path Nginx
	Sum  Nginx  // of the file
	PEM  string // what is to be in the file; "" when it is there already
}

// certRef is where a service says its certificate is.
type certRef struct{ where, name string }

var certRefPattern = regexp.MustCompile(`^(kv|file):([a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*)$`)

// certRefOf reads kv:NAME or file:NAME. There is no / in a name: which certificates there
// are is for those to say who run nginx.
func certRefOf(text string) (certRef, error) {
	m := certRefPattern.FindStringSubmatch(text)
	if m == nil || len(text) > 200 {
		return certRef{}, errors.New("want kv:NAME or file:NAME, with a name of lower case letters, digits and -_. in it")
	}
	return certRef{m[1], m[2]}, nil
}

// certificate gives the certificate that is meant. The error says what is wrong with it.
func (s *sources) certificate(ref certRef) (*Certificate, error) {
	if ref.where == "file" {
		return s.fromFile(ref)
	}
	key := s.settings.tlsKeys + ref.name
	text, ok := s.below(s.settings.tlsKeys)[key]
	if !ok {
		return nil, fmt.Errorf("%s: there is no key %s", metaTLS, quote(key))
	}
	path := filepath.Join(s.settings.tlsDir, "consul", ref.name+".pem")
	return s.checked(ref, path, text, text, "key "+quote(key))
}

// fromFile looks whether the file can be read: a template waits for one that it reads.
func (s *sources) fromFile(ref certRef) (*Certificate, error) {
	path := filepath.Join(s.settings.tlsDir, ref.name+".pem")
	if !readable(path) {
		return nil, fmt.Errorf("%s: there is no file %s that can be read", metaTLS, quote(path))
	}
	q, err := watch.ParseFile(path, s.sandbox)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metaTLS, err)
	}
	text := read(s.x.Reader, q, "")
	return s.checked(ref, path, text, "", "file "+quote(path))
}

// readable tells whether there is a file that can be read.
func readable(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	return file.Close() == nil
}

// checked gives a certificate that nginx can use, the same as before if it is.
func (s *sources) checked(ref certRef, path, text, pem, where string) (*Certificate, error) {
	digest := sha256.Sum256([]byte(text))
	sum := Nginx(hex.EncodeToString(digest[:8]))
	if known := s.certs[ref]; known != nil && known.Sum == sum {
		return known, nil
	}
	if s.x.waits() {
		return &Certificate{}, nil
	}
	if reason := unusable(text); reason != "" {
		return nil, fmt.Errorf("%s: %s: %s", metaTLS, where, reason)
	}
	cert := &Certificate{Path: Nginx(path), Sum: sum, PEM: pem}
	s.certs[ref] = cert
	return cert, nil
}

// unusable tells why nginx would refuse a certificate with its key, as OpenSSL does on
// security level 2, which is that of Debian.
func unusable(pem string) string {
	pair, err := tls.X509KeyPair([]byte(pem), []byte(pem))
	if err != nil {
		return "want a certificate, with those above it, and its key, in PEM"
	}
	for i, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return "one of the certificates cannot be read"
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
			return "an RSA key has less than 2048 bits"
		}
		selfSigned := cert.CheckSignatureFrom(cert) == nil
		switch cert.SignatureAlgorithm {
		case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
			if i == 0 || !selfSigned {
				return "it is signed by way of SHA-1 or MD5"
			}
		}
	}
	return ""
}

package funcs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
	return s.checked(ref, path, text, true, "key "+quote(key))
}

// fromFile follows the file also while there is none: it may come later.
func (s *sources) fromFile(ref certRef) (*Certificate, error) {
	path := filepath.Join(s.settings.tlsDir, ref.name+".pem")
	q, err := watch.ParseFile(path, s.sandbox)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metaTLS, err)
	}
	text := read(s.x.Reader, watch.FileIfAny(q), "")
	if text == "" && !s.x.waits() {
		return nil, fmt.Errorf("%s: there is no file %s that can be read, or nothing in it", metaTLS, quote(path))
	}
	return s.checked(ref, path, text, false, "file "+quote(path))
}

// checked gives a certificate that nginx can use, the same as before if it is. What is to
// be written is what was read of the text; a file has to be as it is.
func (s *sources) checked(ref certRef, path, text string, written bool, where string) (*Certificate, error) {
	digest := sha256.Sum256([]byte(text))
	sum := Nginx(hex.EncodeToString(digest[:8]))
	if known := s.certs[ref]; known != nil && known.Sum == sum {
		return known, nil
	}
	if s.x.waits() {
		return &Certificate{}, nil
	}
	pair, reason := pairIn(text)
	if reason == "" && !written {
		reason = strayText(text)
	}
	if reason != "" {
		return nil, fmt.Errorf("%s: %s: %s", metaTLS, where, reason)
	}
	cert := &Certificate{Path: Nginx(path), Sum: sum}
	if written {
		cert.PEM = pair
	}
	s.certs[ref] = cert
	return cert, nil
}

// pairIn reads a certificate, those above it and its key, and writes them anew: OpenSSL
// takes less than Go does, and nginx refuses all for one that OpenSSL does not take. The
// reason says why there is none, or why OpenSSL would refuse it on security level 2, which
// is that of Debian.
func pairIn(text string) (anew, reason string) {
	pair, err := tls.X509KeyPair([]byte(text), []byte(text))
	if err != nil {
		return "", "want a certificate, with those above it, and its key, in PEM"
	}
	var b strings.Builder
	for _, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return "", "one of the certificates cannot be read"
		}
		if reason := weak(cert); reason != "" {
			return "", reason
		}
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return "", "the key cannot be read"
	}
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return b.String(), ""
}

// strongSignatures are those that OpenSSL takes on that level. Of what Go does not know,
// such as RSA-PSS with SHA-1, nobody here can tell.
var strongSignatures = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
}

// weak tells why OpenSSL would refuse a certificate, or may well do so.
func weak(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 16384 {
			return "an RSA key has less than 2048 bits, or more than 16384"
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return "want keys for RSA, ECDSA or Ed25519"
	}
	if !slices.Contains(strongSignatures, cert.SignatureAlgorithm) {
		return "one is signed by way of neither SHA-256, SHA-384, SHA-512 nor Ed25519: sign it anew, or leave it out if it is a root"
	}
	return ""
}

// pemBlock is one as OpenSSL reads it: lines of base64 that are not too long for it, and
// no headers.
var pemBlock = regexp.MustCompile(`(?m)^-----BEGIN (CERTIFICATE|PRIVATE KEY|RSA PRIVATE KEY|EC PRIVATE KEY|EC PARAMETERS)-----\n(?:[A-Za-z0-9+/]{1,76}={0,2}\n)+-----END (CERTIFICATE|PRIVATE KEY|RSA PRIVATE KEY|EC PRIVATE KEY|EC PARAMETERS)-----(?:\n|\z)`)

// strayText tells what nginx might stumble over in a file that it reads itself: anything
// but whole blocks, with empty lines between them.
func strayText(text string) string {
	rest := pemBlock.ReplaceAllStringFunc(strings.ReplaceAll(text, "\r\n", "\n"), func(block string) string {
		if found, tail := pem.Decode([]byte(block)); found == nil || len(bytes.TrimSpace(tail)) > 0 {
			return block
		}
		return ""
	})
	if strings.TrimSpace(rest) != "" {
		return "there is something in it that is no certificate and no key, or is broken: leave only these, in PEM"
	}
	return ""
}

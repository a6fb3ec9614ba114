package funcs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// pairOf gives a certificate that has signed itself, and its key.
func pairOf(t *testing.T, key crypto.Signer) (cert, private string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

func ecPair(t *testing.T) (cert, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, key)
}

// signedBy gives a certificate of ecPair that claims to be signed by way of another ecdsa-with-….
func signedBy(t *testing.T, cert string, number byte) string {
	t.Helper()
	block, _ := pem.Decode([]byte(cert))
	sha256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}
	other := append(slices.Clone(sha256[:9]), number)
	if bytes.Count(block.Bytes, sha256) != 2 {
		t.Fatal("it is not signed by way of SHA-256")
	}
	block.Bytes = bytes.ReplaceAll(block.Bytes, sha256, other)
	return string(pem.EncodeToMemory(block))
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	cert, key := ecPair(t)
	other, _ := ecPair(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakCert, weakKey := pairOf(t, short)
	sha384, sha224, unknown := signedBy(t, cert, 3), signedBy(t, cert, 1), signedBy(t, cert, 99)
	for text, reason := range map[string]string{
		cert + key: "", key + cert: "", cert + other + key: "", "text\n" + cert + "text\n" + key: "",
		"": "in PEM", cert: "in PEM", key: "in PEM", other + key: "in PEM", other + cert + key: "in PEM", "nonsense": "in PEM", weakCert + weakKey: "less than 2048 bits",
		sha224 + key: "neither SHA-256", unknown + key: "neither SHA-256", cert + unknown + key: "neither SHA-256", cert + sha384 + key: "",
	} {
		anew, got := pairIn(text)
		if (got == "") != (reason == "") || !strings.Contains(got, reason) {
			t.Errorf("got %q, want %q", got, reason)
		}
		if again, reason := pairIn(anew); got == "" && (again != anew || reason != "" || !strings.HasPrefix(anew, cert) || !strings.HasSuffix(anew, key) || strayText(anew) != "") {
			t.Errorf("%s is written anew as %s, %s", text, anew, reason)
		}
	}
}

// Each of these nginx refuses, or may well do so, though Go takes certificate and key.
func TestStrayText(t *testing.T) {
	t.Parallel()
	cert, key := ecPair(t)
	for _, good := range []string{cert + key, key + "\n\n" + cert, strings.ReplaceAll(cert+key, "\n", "\r\n"), strings.TrimSpace(cert + key), "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + cert + key} {
		if reason := strayText(good); reason != "" {
			t.Errorf("%s: %s", good, reason)
		}
	}
	body := strings.Split(cert, "\n")
	for what, bad := range map[string]string{
		"text":       "text\n" + cert + key,
		"headers":    strings.Replace(cert, "-----\n", "-----\nFoo: bar\n\n", 1) + key,
		"cut":        cert + key + strings.Join(body[:3], "\n"),
		"cut chain":  cert + strings.Join(body[:3], "\n") + "\n" + key,
		"no base64":  cert + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n" + key,
		"bad base64": cert + "-----BEGIN CERTIFICATE-----\nA=\n-----END CERTIFICATE-----\n" + key,
		"long lines": body[0] + "\n" + strings.Join(body[1:len(body)-2], "") + "\n" + body[len(body)-2] + "\n" + key,
		"trusted":    cert + "-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n" + key,
		"no newline": strings.TrimSpace(cert) + key,
		"spaces":     "  " + strings.ReplaceAll(cert, "\n", "\n  ") + key,
		"other end":  strings.Replace(cert, "END CERTIFICATE", "END PRIVATE KEY", 1) + key,
	} {
		if strayText(bad) == "" {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestSitesWithTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	cert, key := ecPair(t)
	w.vars["tls_dir"] = dir
	w.keys["nginx/tls/web"], w.keys["nginx/tls/bad"] = cert+key, "nonsense"
	if err := os.WriteFile(filepath.Join(dir, "api.pem"), []byte(cert+key), 0o600); err != nil {
		t.Fatal(err)
	}
	w.files = map[string]string{filepath.Join(dir, "api.pem"): cert + key}
	w.add("web", http1, "nginx_tls", "kv:web")
	w.add("api", http1, "nginx_tls", "file:api", "nginx_host", "web.example.com", "nginx_path", "/api")
	w.add("rpc", grpc1, "nginx_tls", "file:api")
	w.add("own", http1, "nginx_tls", "kv:web", "nginx_listen", "9000")
	w.add("plain", http1, "nginx_host", "web.example.com", "nginx_path", "/plain")
	w.add("bad", http1, "nginx_tls", "kv:bad")
	w.add("none", http1, "nginx_tls", "kv:none")
	w.add("nofile", http1, "nginx_tls", "file:none")
	w.add("folder", http1, "nginx_tls", "file:folder")
	if err := os.Mkdir(filepath.Join(dir, "folder.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := w.routes()
	w.want("sites", sites(r), []string{
		"80 bad.example.com/ 503", "80 folder.example.com/ 503", "80 nofile.example.com/ 503", "80 none.example.com/ 503",
		"80 web.example.com/ redirect", "80 web.example.com/api redirect", "80 web.example.com/plain plain",
		"443 ssl http2 bad.example.com/ 503", "443 ssl http2 folder.example.com/ 503", "443 ssl http2 nofile.example.com/ 503", "443 ssl http2 none.example.com/ 503",
		"443 ssl http2 rpc.example.com/ rpc grpc", "443 ssl http2 web.example.com/ web", "443 ssl http2 web.example.com/api api",
		"9000 ssl http2 own.example.com/ own",
	})
	w.noted(
		`the certificate of web.example.com on port 443 is not that of service "api": service "web", which is older, has it`,
		`service "bad" is not served, and keeps its place: nginx_tls: key "nginx/tls/bad": want a certificate`,
		`service "none" is not served, and keeps its place: nginx_tls: there is no key "nginx/tls/none"`,
		`service "nofile" is not served, and keeps its place: nginx_tls: there is no file `,
		`service "folder" is not served, and keeps its place: nginx_tls: there is no file `,
	)
	if len(r.Certificates) != 1 || r.Certificates[0].PEM != cert+key || string(r.Certificates[0].Path) != dir+"/consul/web.pem" {
		t.Errorf("got %+v", r.Certificates)
	}
	// A file may come later, and go.
	w.files[filepath.Join(dir, "none.pem")] = cert + key
	w.want("a file has come", sites(w.routes())[2:3], []string{"80 nofile.example.com/ redirect"})
	delete(w.files, filepath.Join(dir, "none.pem"))
	w.want("a file has gone", sites(w.routes())[2:3], []string{"80 nofile.example.com/ 503"})
	again := w.routes()
	if again.Sites[11] != r.Sites[11] || again.Certificates[0] != r.Certificates[0] {
		t.Error("sites with TLS do not stay the same")
	}
	cert, key = ecPair(t)
	w.keys["nginx/tls/web"] = cert + key
	if last := w.routes(); last.Sites[11] == r.Sites[11] && last.Sites[10] == r.Sites[10] || last.Certificates[0].PEM != cert+key {
		t.Error("a new certificate makes no difference")
	}
}

// While the answer about a file has not come, nothing is said of it.
func TestCertificatesAreWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.vars["tls_dir"] = dir
	w.add("api", http1, "nginx_tls", "file:api")
	w.routes()
	missing := false
	w.x.Waiting = func() bool { return missing }
	w.missing = func(watch.Query) { missing = true }
	if r := w.routes(); len(r.Sites) > 0 {
		t.Errorf("got %+v", r)
	}
	w.noted()
}

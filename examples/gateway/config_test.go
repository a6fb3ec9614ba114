package main

import (
	"os/exec"
	"strings"
	"testing"
)

// dry runs ctmpl in this directory as the README does, without Consul.
func dry(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"-once", "-dry"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return string(out)
}

// TestWithoutConsul wants the catalog to be the picture of the README, with either
// template, and handwritten.hcl to give what the command line gives.
func TestWithoutConsul(t *testing.T) {
	t.Parallel()
	binary, err := buildCtmpl(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shipped := dry(t, binary, "-catalog", "catalog", "-config", "ctmpl.hcl")
	wantParts(t, shipped, map[string]int{
		"server 192.168.0.": 8,
		"server 192.168.0.129:32769 max_fails=3 fail_timeout=60s;": 1,
		"server_name httpfront.example.com;":                       1,
		"listen 9999;":                                             1,
		"listen 9443;":                                             1,
		"listen 8443;":                                             1,
		"shop.example.com _route.shop;":                            1,
		"bank.example.com _route.bank;":                            1,
		"httpbackend":                                              0,
	})
	byFlag := dry(t, binary, "-catalog", "catalog/services.hcl", "-template", "nginx.conf.tmpl:/etc/nginx/nginx.conf:nginx -s reload")
	byFile := dry(t, binary, "-catalog", "catalog/services.hcl", "-config", "handwritten.hcl")
	if byFlag != byFile {
		t.Errorf("with -template\n%s\nwith -config\n%s", byFlag, byFile)
	}
	wantParts(t, byFlag, map[string]int{
		"server 192.168.0.": 6,
		"server 192.168.0.129:32769 max_fails=3 fail_timeout=60 weight=1;": 1,
		"server_name httpfront.example.com;":                               1,
		"listen 80;":                                                       1,
		"listen 9999; proxy_pass tcpfront-9999;":                           1,
		"listen 9443; proxy_pass tlsfront-9443;":                           1,
		"httpbackend":                                                      0,
	})
}

// wantParts wants each part in the text as often as is said.
func wantParts(t *testing.T, text string, parts map[string]int) {
	t.Helper()
	for part, want := range parts {
		if got := strings.Count(text, part); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", part, got, want, text)
		}
	}
}

// TestOddServices shows what services do that cannot be reached as they are: the shipped
// template leaves them out and says so, the hand-written one gives nothing at all.
func TestOddServices(t *testing.T) {
	t.Parallel()
	binary, err := buildCtmpl(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-once", "-dry", "-catalog", "testdata/odd.hcl", "-config", "ctmpl.hcl")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantParts(t, string(out), map[string]int{
		"server_name api.v2.example.com;":                   1,
		"listen 9025;":                                      1, // of my-mail-9025
		`service \"größe\" is left out`:                     1,
		`service \"front-end\" is left out of TCP`:          1,
		`instance \"web\" on node \"consul-1\" is left out`: 1,
		"no.such.host":                                      0,
	})
	out, err = exec.CommandContext(t.Context(), binary, "-once", "-dry", "-catalog", "testdata/odd.hcl", "-config", "handwritten.hcl").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "größe") || strings.Contains(string(out), "server_name") {
		t.Errorf("with the hand-written template: %v\n%s", err, out)
	}
}

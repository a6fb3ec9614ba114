package main

import (
	"os/exec"
	"strings"
	"testing"
)

// dry runs ctmpl in this directory as the README does, without Consul.
func dry(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"-once", "-dry", "-catalog", "catalog.hcl"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return string(out)
}

// TestWithoutConsul wants ctmpl.hcl to give what the command line gives, and
// catalog.hcl to be the picture of the README.
func TestWithoutConsul(t *testing.T) {
	t.Parallel()
	binary, err := buildCtmpl(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	byFlag := dry(t, binary, "-template", "nginx.conf.tmpl:/etc/nginx/nginx.conf:nginx -s reload")
	byFile := dry(t, binary, "-config", "ctmpl.hcl")
	if byFlag != byFile {
		t.Errorf("with -template\n%s\nwith -config\n%s", byFlag, byFile)
	}
	for part, want := range map[string]int{
		"server 192.168.0.": 6,
		"server 192.168.0.129:32769 max_fails=3 fail_timeout=60 weight=1;": 1,
		"server_name httpfront.example.com;":                               1,
		"listen 80;":                                                       1,
		"listen 9999; proxy_pass tcpfront-9999;":                           1,
		"listen 9443; proxy_pass tlsfront-9443;":                           1,
		"httpbackend":                                                      0,
	} {
		if got := strings.Count(byFlag, part); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", part, got, want, byFlag)
		}
	}
}

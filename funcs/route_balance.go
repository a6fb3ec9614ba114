package funcs

import (
	"errors"
	"regexp"
	"strings"
)

// balance is how requests are spread over instances.
type balance struct {
	method string
	key    string // of hash
}

// hashKey are the variables that a request may be hashed by. What is in no request, or
// holds a secret of another, is none of them.
var hashKey = regexp.MustCompile(`^\$?((remote_addr|request_uri|uri|host)|(cookie|arg|http)_[a-z0-9_]{1,64})$`)

// balanceOf reads round_robin, least_conn, ip_hash, random or hash KEY.
func balanceOf(text string) (balance, error) {
	method, rest, _ := strings.Cut(text, " ")
	b := balance{method: method}
	switch method {
	case "round_robin", "least_conn", "ip_hash", "random":
		if rest == "" {
			return b, nil
		}
	case "hash":
		m := hashKey.FindStringSubmatch(strings.TrimSuffix(strings.TrimSpace(rest), " consistent"))
		if m != nil {
			b.key = "$" + m[1]
			return b, nil
		}
		return b, errors.New("want hash with remote_addr, request_uri, uri, host, cookie_NAME, arg_NAME or http_NAME")
	}
	return b, errors.New("want round_robin, least_conn, ip_hash, random or hash KEY")
}

// http gives the directive for an upstream of http, "" for none.
func (b balance) http() Nginx {
	switch b.method {
	case "round_robin":
		return ""
	case "random":
		return "random two least_conn;"
	case "hash":
		return Nginx("hash " + b.key + " consistent;")
	}
	return Nginx(b.method + ";")
}

// stream does the same for one of stream, where there are no requests to look at.
func (b balance) stream() (Nginx, error) {
	switch {
	case b.method == "ip_hash" || b.key == "$remote_addr":
		return "hash $remote_addr consistent;", nil
	case b.method == "hash":
		return "", errors.New(metaBalance + ": a TCP service can be hashed by remote_addr only")
	}
	return b.http(), nil
}

// spares tells whether nginx takes a backup with it.
func (b balance) spares() bool { return b.method == "round_robin" || b.method == "least_conn" }

package consul

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// errSilent is the error of a request that took longer than it may.
var errSilent error = &unanswered{"no answer in time"}

// unanswered is the error of a request that was not answered.
type unanswered struct{ text string }

func (e *unanswered) Error() string { return e.text }

func (e *unanswered) Unwrap() error { return watch.ErrNoAnswer }

// notEverywhere are the kinds of query that not every Consul knows, with who does.
var notEverywhere = map[string]string{
	watch.KindPartitions: "partitions are part of Consul Enterprise",
	watch.KindImported:   "a later version of Consul lists imported services",
}

// failure is explain for the error of a query.
func (s *Source) failure(ctx context.Context, q watch.Query, err error) error {
	var status api.StatusError
	who := notEverywhere[q.Kind]
	if who != "" && errors.As(err, &status) && status.Code == http.StatusNotFound {
		return fmt.Errorf("this Consul does not know the query (HTTP status 404): %s", who)
	}
	return s.explain(ctx, err)
}

// explain turns an error of the HTTP client into one line that stays the same
// while its cause does: without the local port of the connection, and without the
// secrets of the request. ctx is that of the caller, without our own time limit.
func (s *Source) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *refusal
	if errors.As(err, &refused) {
		return &refusal{s.firstLine(refused.text)}
	}
	var status api.StatusError
	if errors.As(err, &status) {
		return fmt.Errorf("HTTP status %d: %s", status.Code, s.firstLine(status.Body))
	}
	if cause := unreachable(err); cause != "" {
		return fmt.Errorf("%w: %s", watch.ErrUnreachable, cause)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errSilent
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return &unanswered{"the connection was lost: " + op.Err.Error()}
	}
	var request *url.Error
	if errors.As(err, &request) {
		return &unanswered{"the connection was lost: " + s.firstLine(request.Err.Error())}
	}
	return badAnswer(err)
}

// unreachable says why no query at all can be answered, if that is so.
func unreachable(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "no address for " + dns.Name
	}
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") {
		return withoutPort(op.Err.Error())
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired { // its text has the time of day
		return fmt.Sprintf("the certificate is valid from %s to %s", invalid.Cert.NotBefore.Format(time.RFC3339), invalid.Cert.NotAfter.Format(time.RFC3339))
	}
	var request *url.Error
	if !errors.As(err, &request) {
		return ""
	}
	text := request.Err.Error()
	for _, sign := range []string{"tls: ", "x509: ", "HTTP response to HTTPS client", "TLS handshake timeout"} {
		if strings.Contains(text, sign) {
			return withoutPort(text)
		}
	}
	return ""
}

// badAnswer explains an answer that was read, and is not what Consul sends.
func badAnswer(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the answer is cut off")
	case errors.Is(err, io.EOF):
		return errors.New("the answer is empty")
	}
	return fmt.Errorf("the answer is not Consul's: %w", err)
}

// firstLine keeps what a log line can hold of an error page.
func (s *Source) firstLine(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	line = strings.TrimSuffix(line, ": %!w(<nil>)") // of net/http
	line = s.hide.Replace(withoutPort(line))
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "") + "…"
	}
	return strings.TrimSpace(line)
}

var unsteady = regexp.MustCompile(`\S+:\d+->|readLoopPeekFailLocked: `)

// withoutPort drops from an error text what differs from time to time: the near end
// of a connection, whose port is another one each time, as in read tcp
// 10.0.0.1:54321->10.0.0.2:8300: i/o timeout, and which of net/http's goroutines saw
// the error first.
func withoutPort(text string) string { return unsteady.ReplaceAllString(text, "") }

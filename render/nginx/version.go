package nginx

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// versionMax is how much of an answer is read.
const versionMax = 4 << 10

// askVersion is how long one request may take: the worker that got it may be gone.
const askVersion = 2 * time.Second

// awaitVersion asks for the version until it is the one that was reloaded.
func (d *Driver) awaitVersion(ctx context.Context, version string) error {
	if version == "" || d.cfg.VersionURL == "" {
		return nil
	}
	client, url, err := versionClient(d.cfg.VersionURL)
	if err != nil {
		return err
	}
	last := "there was no answer"
	err = poll(ctx, func() error {
		got, err := ask(ctx, client, url)
		switch {
		case err == nil && got == version:
			return nil
		case err == nil:
			last = fmt.Sprintf("the last answer was %.80q", got)
		case ctx.Err() == nil:
			last = "the last attempt failed: " + err.Error()
		}
		return errPending
	})
	return d.explain(ctx, err, func() (what, why string) {
		return fmt.Sprintf("new workers run, but %s did not answer version %q", d.cfg.VersionURL, version), last
	})
}

// versionClient gives a client that opens a connection for each request: one that is
// kept would stay with an old worker.
func versionClient(url string) (*http.Client, string, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if rest, ok := strings.CutPrefix(url, "unix:"); ok {
		path, uri, _ := strings.Cut(rest, ":")
		if !strings.HasPrefix(uri, "/") {
			return nil, "", fmt.Errorf("version_url %q has no path: write unix:SOCKET:/PATH", url)
		}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		url = "http://localhost" + uri
	}
	return &http.Client{Transport: transport, Timeout: askVersion}, url, nil
}

// ask gives the body of the answer, without white space around it.
func ask(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, versionMax))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", answer.Status)
	}
	return strings.TrimSpace(string(body)), err
}

package consul

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const plain = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: 77\r\nX-Consul-Knownleader: true\r\nX-Consul-Lastcontact: 12\r\nContent-Length: 2\r\n\r\n[]"

// replies are answers, each with what is to be read of it, and whether that is done without net/http.
var replies = map[string]struct {
	text  string
	want  reply
	plain bool
}{
	"as Consul sends it": {plain, reply{status: 200, index: 77, indexed: true, contact: 12 * time.Millisecond}, true},
	"without a body":     {strings.ReplaceAll(plain, "2\r\n\r\n[]", "0\r\n\r\n"), reply{status: 200, index: 77, indexed: true, contact: 12 * time.Millisecond}, true},
	"a long body": {
		strings.ReplaceAll(plain, "2\r\n\r\n[]", "9000\r\n\r\n"+strings.Repeat("x", 9000)),
		reply{status: 200, index: 77, indexed: true, contact: 12 * time.Millisecond}, true,
	},
	"in chunks": {
		"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		reply{status: 200, index: 5, indexed: true}, false,
	},
	"the last one":  {"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]", reply{status: 200, index: 5, indexed: true, closes: true}, false},
	"in lower case": {strings.ToLower(plain[17:]), reply{status: 200, index: 77, indexed: true, contact: 12 * time.Millisecond}, false},
	"a long head": {
		strings.Replace(plain, "X-Consul-Index", "X-Other: "+strings.Repeat("x", 5000)+"\r\nX-Consul-Index", 1),
		reply{status: 200, index: 77, indexed: true, contact: 12 * time.Millisecond}, false,
	},
	"no index":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", reply{status: 200}, false},
	"no number":          {"HTTP/1.1 200 OK\r\nX-Consul-Index: x\r\nContent-Length: 2\r\n\r\n[]", reply{status: 200}, false},
	"refused":            {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno", reply{status: 429, text: "no"}, false},
	"spaces":             {"HTTP/1.1 200 OK\r\nX-Consul-Index:  8\r\nContent-Length: 2\r\n\r\n[]", reply{status: 200, index: 8, indexed: true}, false},
	"of an older server": {"HTTP/1.0 200 OK\r\nX-Consul-Index: 8\r\nContent-Length: 2\r\n\r\n[]", reply{status: 200, index: 8, indexed: true, closes: true}, false},
}

// Each answer is read to its end, however it arrives: the next one is found behind it.
func TestReadReply(t *testing.T) {
	t.Parallel()
	for name, tc := range replies {
		if name == "in lower case" {
			tc.text = plain[:17] + tc.text
		}
		if _, _, ok := plainReply([]byte(tc.text[:strings.Index(tc.text, "\r\n\r\n")+4])); ok != tc.plain && len(tc.text) < 4096 {
			t.Errorf("%s: read without net/http: %v", name, ok)
		}
		for _, from := range []io.Reader{strings.NewReader(tc.text + plain), iotest.OneByteReader(strings.NewReader(tc.text + plain))} {
			in := bufio.NewReaderSize(from, 4096)
			got, err := readReply(in, nil)
			if tc.plain {
				tc.want.size = len(tc.text)
			}
			if got != tc.want || err != nil {
				t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tc.want)
			}
			if tc.want.status != 200 {
				continue // net/http has left some of the body, as the connection is not used again
			}
			if got, err := readReply(in, nil); got.index != 77 || err != nil {
				t.Errorf("%s: the next one is %+v, %v", name, got, err)
			}
		}
	}
}

func TestAReplyThatIsCutOff(t *testing.T) {
	t.Parallel()
	for n := range len(plain) {
		if got, err := readReply(bufio.NewReader(strings.NewReader(plain[:n])), nil); err == nil || n < strings.Index(plain, "[]") && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %+v, %v", n, got, err)
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	text := strings.Repeat(plain, 100)
	in := bufio.NewReader(strings.NewReader(""))
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(strings.NewReader(text))
		for range 100 {
			if _, err := readReply(in, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}

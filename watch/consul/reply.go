package consul

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// reply is what counts of the answer to a probe.
type reply struct {
	status  int
	text    string // the beginning of the body, when the status is not 200
	index   uint64
	indexed bool          // it has an index
	contact time.Duration // since the server has heard of the leader
	closes  bool          // the agent closes the connection
	size    int           // of all of it, in bytes; 0 when that is not known
}

// readReply reads an answer. Thousands of them a second are alike, and small: such a one is taken as it
// lies in the buffer, any other one is read by net/http, and so is one of which the body counts.
func readReply(in *bufio.Reader, body *bytes.Buffer) (reply, error) {
	if body != nil {
		return anyReply(in, body)
	}
	head, err := peekHead(in)
	if err != nil {
		return reply{}, err
	}
	if r, length, ok := plainReply(head); ok {
		if _, err := in.Discard(len(head)); err != nil {
			return r, err
		}
		r.size = len(head) + length
		_, err = in.Discard(length)
		return r, err
	}
	return anyReply(in, nil)
}

// endOfHead is what follows the fields of an answer.
var endOfHead = []byte("\r\n\r\n")

// peekHead gives the status line and the fields of an answer, or what is there of them when they are
// longer than the buffer.
func peekHead(in *bufio.Reader) ([]byte, error) {
	for n := 1; ; {
		_, err := in.Peek(n)
		head, _ := in.Peek(in.Buffered())
		if at := bytes.Index(head, endOfHead); at >= 0 {
			return head[:at+len(endOfHead)], nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return head, nil
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // as net/http has it
		}
		if err != nil {
			return nil, err
		}
		n = len(head) + 1
	}
}

// plainReply reads the head of an answer with a body of a known length. ok is false for any other, and
// for one with a field that net/http has to make sense of.
func plainReply(head []byte) (r reply, length int, ok bool) {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if string(line) != "HTTP/1.1 200 OK" || !bytes.HasSuffix(fields, endOfHead) {
		return reply{}, 0, false
	}
	r.status, length = http.StatusOK, -1
	for fields = fields[:len(fields)-2]; len(fields) > 0; {
		if line, fields, ok = bytes.Cut(fields, []byte("\r\n")); !ok {
			return reply{}, 0, false
		}
		name, value, found := bytes.Cut(line, []byte(": "))
		if !found {
			return reply{}, 0, false
		}
		switch string(name) { // as net/http writes them, and so Consul
		case "X-Consul-Index":
			r.indexed = r.setIndex(string(value))
		case "X-Consul-Lastcontact":
			r.setContact(string(value))
		case "Content-Length":
			if length, ok = atoi(value); !ok {
				return reply{}, 0, false
			}
		case "Connection", "Transfer-Encoding", "Content-Encoding", "Trailer":
			return reply{}, 0, false
		}
	}
	return r, length, length >= 0 && r.indexed
}

// atoi reads a number that is not negative.
func atoi(b []byte) (int, bool) {
	n, err := strconv.ParseUint(string(b), 10, 31)
	return int(n), err == nil
}

func (r *reply) setIndex(text string) bool {
	index, err := strconv.ParseUint(text, 10, 64)
	r.index = index
	return err == nil
}

func (r *reply) setContact(text string) {
	ms, _ := strconv.Atoi(text)
	r.contact = time.Duration(ms) * time.Millisecond
}

// anyReply reads any answer, and what it has into body, if that is not nil.
func anyReply(in *bufio.Reader, body *bytes.Buffer) (r reply, err error) {
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	r.status, r.closes = resp.StatusCode, resp.Close
	if r.status != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		r.text = string(text)
		return r, nil
	}
	r.indexed = r.setIndex(resp.Header.Get("X-Consul-Index"))
	r.setContact(resp.Header.Get("X-Consul-Lastcontact"))
	if body != nil {
		body.Reset()
		_, err = body.ReadFrom(resp.Body)
		return r, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return r, err
}

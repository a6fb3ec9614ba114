package consul

import (
	"net/http"
	"time"
)

// SetTimes shortens how long an agent may be silent, and the time between two looks
// at what has no blocking queries.
func (s *Source) SetTimes(silence, poll time.Duration) { s.silence, s.poll = silence, poll }

// Connections is how many are open.
func (s *Source) Connections() int {
	b := s.transport.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// Settle has the source hold queries for as long as it is asked to from now on.
func (s *Source) Settle() { s.transport.budget.since = time.Time{} }

// SetPatrol sets the time between two looks at the index of each service.
func (s *Source) SetPatrol(d time.Duration) { s.patrol = d }

// Compresses tells whether answers are asked for in a compressed form.
func (s *Source) Compresses() bool { return !s.transport.plain.DisableCompression }

// SetAtOnce sets how early a connection of HTTPS breaks that was never taken, for a machine that is slow.
func (s *Source) SetAtOnce(d time.Duration) { s.transport.atOnce = d }

// SetPing sets how soon a connection of HTTP/2 that is dead is noticed, before there is one.
func (s *Source) SetPing(d time.Duration) {
	s.transport.h2.tr.HTTP2 = &http.HTTP2Config{SendPingTimeout: d, PingTimeout: d}
}

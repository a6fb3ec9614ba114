package consul

import "time"

// SetTimes shortens how long an agent may be silent, and the time between two looks
// at what has no blocking queries.
func (s *Source) SetTimes(silence, poll time.Duration) { s.silence, s.poll = silence, poll }

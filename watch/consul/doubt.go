package consul

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// doubtLeader is the doubt of an answer from a server that may have been cut off.
const doubtLeader = "the answering server knows no leader"

// doubt tells why an answer may lack something. Consul (v1.20) says when it left out what
// the token may not see, but neither in answers of its streaming backend nor to those who
// have no token: where nothing is allowed by itself, an empty answer is looked into.
func (s *Source) doubt(ctx context.Context, read reader, q watch.Query, value any, meta *api.QueryMeta) (string, error) {
	why := told(meta)
	n, counts := watch.Len(value)
	if why != "" || !counts || n > 0 || meta.DefaultACLPolicy != "deny" {
		return why, nil
	}
	switch {
	case s.anonymous:
		return s.forbidden(ctx, q)
	case meta.QueryBackend == api.QueryBackendStreaming: // which only answers those who wait
		_, again, err := s.read(ctx, read, q, 0, 0, s.maxStale > 0)
		if err != nil {
			return "", err
		}
		return told(again), nil
	}
	return "", nil
}

// told is what the headers of an answer say. Those of the streaming backend never know
// a leader, and those of Consul before v1.10 do not name a backend.
func told(meta *api.QueryMeta) string {
	switch {
	case meta.ResultsFilteredByACLs:
		return watch.DoubtACL
	case meta.QueryBackend == api.QueryBackendBlockingQuery && !meta.KnownLeader:
		return doubtLeader
	}
	return ""
}

// forbidden tells whether an empty answer is so since whoever has no token may not see
// more. A list of services or nodes has at least Consul itself in it; and the ways to a
// service in the mesh are refused, not left out, when it may not be read. For keys there is
// nothing of the kind.
func (s *Source) forbidden(ctx context.Context, q watch.Query) (string, error) {
	switch q.Kind {
	case watch.KindServices, watch.KindNodes:
		return watch.DoubtACL, nil
	case watch.KindService:
	default:
		return "", nil
	}
	_, _, err := s.read(ctx, readConnect, q, 0, 0, s.maxStale > 0)
	var status api.StatusError
	if errors.As(err, &status) && status.Code == http.StatusForbidden {
		return watch.DoubtACL, nil
	}
	return "", err
}

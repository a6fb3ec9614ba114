package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// soakTemplates print all that the changes touch: one file of all instances, one of
// those that pass.
var soakTemplates = map[string]string{
	"any": `{{range services}}{{.Name}} {{.Tags}}
{{range service (print .Name "|any")}}  {{.Node}} {{.NodeAddress}} {{.ID}} {{.Address}}:{{.Port}} {{.Status}} {{.Tags}} {{.ServiceMeta}}
{{end}}{{end}}`,
	"passing": `{{range services}}{{.Name}}
{{range service .Name}}  {{.ID}} {{.Address}}:{{.Port}}
{{end}}{{end}}`,
}

// expected reads the catalog anew, as it is on the leader, and gives what the files
// have to be.
func (s *soak) expected(ctx context.Context) (map[string][]byte, error) {
	now := (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
	tags, _, err := s.agent.Client.Catalog().Services(now)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(tags))
	entries := make([][]*api.ServiceEntry, len(names))
	var group errgroup.Group
	group.SetLimit(4) // they count as connections of this address, too
	for i, name := range names {
		group.Go(func() (err error) {
			entries[i], _, err = s.agent.Client.Health().Service(name, "", false, now)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var anyone, passing bytes.Buffer
	for i, name := range names {
		slices.Sort(tags[name])
		fmt.Fprintln(&anyone, name, tags[name])
		fmt.Fprintln(&passing, name)
		writeInstances(&anyone, &passing, entries[i])
	}
	return map[string][]byte{"any": anyone.Bytes(), "passing": passing.Bytes()}, nil
}

// writeInstances orders those of a service as templates see them.
func writeInstances(anyone, passing *bytes.Buffer, entries []*api.ServiceEntry) {
	slices.SortFunc(entries, func(a, b *api.ServiceEntry) int {
		return cmp.Or(strings.Compare(a.Node.Node, b.Node.Node), strings.Compare(a.Service.ID, b.Service.ID))
	})
	for _, e := range entries {
		address, status := cmp.Or(e.Service.Address, e.Node.Address), e.Checks.AggregatedStatus()
		slices.Sort(e.Service.Tags)
		fmt.Fprintf(anyone, "  %s %s %s %s:%d %s %v %v\n", e.Node.Node, e.Node.Address, e.Service.ID, address, e.Service.Port, status, e.Service.Tags, e.Service.Meta)
		if status == api.HealthPassing {
			fmt.Fprintf(passing, "  %s %s:%d\n", e.Service.ID, address, e.Service.Port)
		}
	}
}

// sameText tells the first line that differs.
func sameText(want, have []byte) error {
	if bytes.Equal(want, have) {
		return nil
	}
	wanted, has := bytes.Split(want, []byte("\n")), bytes.Split(have, []byte("\n"))
	for i := range wanted {
		if i == len(has) || !bytes.Equal(wanted[i], has[i]) {
			return fmt.Errorf("line %d of %d is %q, and has to be %q", i+1, len(wanted), lineOf(has, i), wanted[i])
		}
	}
	return fmt.Errorf("it has %d lines, and has to have %d", len(has), len(wanted))
}

func lineOf(lines [][]byte, i int) []byte {
	if i < len(lines) {
		return lines[i]
	}
	return nil
}

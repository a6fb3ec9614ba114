package funcs

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/ctmpl/ctmpl/watch"
)

// meshFuncs are the functions on the service mesh and on what connects Consul's
// clusters and partitions.
func meshFuncs(r Reader) template.FuncMap {
	return template.FuncMap{
		"connect":          instances(r, watch.ParseConnect),
		"caRoots":          caRoots(r),
		"caLeaf":           caLeaf(r),
		"peerings":         peerings(r),
		"partitions":       partitions(r),
		"exportedServices": ofPartition[watch.ExportedService](r, watch.KindExported),
		"importedServices": ofPartition[watch.ImportedService](r, watch.KindImported),
	}
}

// caRoots lists the certificates of the mesh's authority. Arguments have no effect.
func caRoots(r Reader) func(...string) []*watch.CARoot {
	return func(...string) []*watch.CARoot {
		return read[[]*watch.CARoot](r, watch.Query{Kind: watch.KindRoots}, nil)
	}
}

// caLeaf gives the certificate of a service, with its key. Further arguments have no
// effect. While the answer is missing it gives nothing, which templates test for.
func caLeaf(r Reader) func(...string) any {
	return func(args ...string) any {
		if len(args) == 0 || args[0] == "" {
			return nil
		}
		if leaf := read[*watch.LeafCert](r, watch.Query{Kind: watch.KindLeaf, Name: args[0]}, nil); leaf != nil {
			return leaf
		}
		return nil
	}
}

// peerings lists the connections to other clusters.
func peerings(r Reader) func(...string) ([]*watch.Peering, error) {
	return func(args ...string) ([]*watch.Peering, error) {
		q, err := watch.ParsePeerings(strings.Join(args, ""))
		if err != nil {
			return nil, err
		}
		return read(r, q, []*watch.Peering{}), nil
	}
}

// partitions lists the admin partitions.
func partitions(r Reader) func() []*watch.Partition {
	return func() []*watch.Partition {
		return read(r, watch.Query{Kind: watch.KindPartitions}, []*watch.Partition{})
	}
}

// ofPartition lists what there is in a partition, by default that of the agent.
func ofPartition[T any](r Reader, kind string) func(...string) ([]T, error) {
	return func(args ...string) ([]T, error) {
		if len(args) > 1 {
			return nil, fmt.Errorf("%s: %d arguments, want none or one", kind, len(args))
		}
		return read(r, watch.ParsePartition(kind, strings.Join(args, "")), []T{}), nil
	}
}

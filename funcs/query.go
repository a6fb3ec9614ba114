package funcs

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"text/template"

	"github.com/ctmpl/ctmpl/watch"
)

// Reader answers the queries of a template and keeps account of them.
type Reader interface {
	// Read gives the last good answer to q. ok is false while there is none; the
	// template is then not complete.
	Read(q watch.Query) (value any, ok bool)
	// Refuse says that the answer to q, which is there, is not one that the
	// template may be rendered with.
	Refuse(q watch.Query)
}

// queryFuncs are the functions that ask for something.
func queryFuncs(r Reader, sandbox string) template.FuncMap {
	all := catalogFuncs(r, sandbox)
	maps.Copy(all, meshFuncs(r))
	return all
}

// catalogFuncs are the functions on the catalog, the KV store and files.
func catalogFuncs(r Reader, sandbox string) template.FuncMap {
	return template.FuncMap{
		"datacenters":  datacenters(r),
		"services":     services(r),
		"service":      instances(r, watch.ParseService),
		"nodes":        nodes(r),
		"node":         node(r),
		"key":          key(r),
		"keyExists":    keyExists(r),
		"keyOrDefault": keyOrDefault(r),
		"ls":           keyPairs(r, "ls", topLevel, false),
		"safeLs":       keyPairs(r, "safeLs", topLevel, true),
		"tree":         keyPairs(r, "tree", notFolder, false),
		"safeTree":     keyPairs(r, "safeTree", notFolder, true),
		"file":         file(r, sandbox),
	}
}

// read gives the answer to q as a T, or missing while there is none.
func read[T any](r Reader, q watch.Query, missing T) T {
	if v, ok := r.Read(q); ok {
		return v.(T)
	}
	return missing
}

// datacenters lists the datacenters by name. With true it leaves out those that
// do not answer.
func datacenters(r Reader) func(...bool) ([]string, error) {
	return func(ignoreFailing ...bool) ([]string, error) {
		if len(ignoreFailing) > 1 {
			return nil, fmt.Errorf("datacenters: %d arguments, want none or one", len(ignoreFailing))
		}
		q := watch.Query{Kind: watch.KindDatacenters}
		if len(ignoreFailing) == 1 && ignoreFailing[0] {
			q.Params = url.Values{"ignore-failing": {"true"}}.Encode()
		}
		return read(r, q, []string{}), nil
	}
}

// services lists the names and tags of the catalog.
func services(r Reader) func(...string) ([]*watch.ServiceSummary, error) {
	return func(args ...string) ([]*watch.ServiceSummary, error) {
		q, err := watch.ParseServices(strings.Join(args, ""))
		if err != nil {
			return nil, err
		}
		return read(r, q, []*watch.ServiceSummary{}), nil
	}
}

// instances lists the instances of a service, which parse reads from the argument.
// More arguments are joined with |, so that filters can be given apart.
func instances(r Reader, parse func(string) (watch.Query, error)) func(...string) ([]*watch.ServiceInstance, error) {
	return func(args ...string) ([]*watch.ServiceInstance, error) {
		if len(args) == 0 || args[0] == "" {
			return []*watch.ServiceInstance{}, nil
		}
		q, err := parse(strings.Join(args, "|"))
		if err != nil {
			return nil, err
		}
		return read(r, q, []*watch.ServiceInstance{}), nil
	}
}

// nodes lists the nodes of the catalog.
func nodes(r Reader) func(...string) ([]*watch.Node, error) {
	return func(args ...string) ([]*watch.Node, error) {
		q, err := watch.ParseNodes(strings.Join(args, ""))
		if err != nil {
			return nil, err
		}
		return read(r, q, []*watch.Node{}), nil
	}
}

// node gives a node with its services, by default that of the agent. While the
// answer is missing it gives nothing, which templates test for.
func node(r Reader) func(...string) (any, error) {
	return func(args ...string) (any, error) {
		q, err := watch.ParseNode(strings.Join(args, ""))
		if err != nil {
			return nil, err
		}
		if detail := read[*watch.NodeDetail](r, q, nil); detail != nil {
			return detail, nil
		}
		return nil, nil
	}
}

// key gives the value of a key, and waits until there is one.
func key(r Reader) func(string) (string, error) {
	return func(path string) (string, error) {
		if path == "" {
			return "", nil
		}
		q, err := watch.ParseKey("key", watch.KindKey, path)
		if err != nil {
			return "", err
		}
		return read(r, q, ""), nil
	}
}

// lookup reads a key that may be missing.
func lookup(r Reader, fn, path string) (watch.Lookup, error) {
	if path == "" {
		return watch.Lookup{}, nil
	}
	q, err := watch.ParseKey(fn, watch.KindLookup, path)
	if err != nil {
		return watch.Lookup{}, err
	}
	return read(r, q, watch.Lookup{}), nil
}

// keyExists tells whether there is a key, be it empty.
func keyExists(r Reader) func(string) (bool, error) {
	return func(path string) (bool, error) {
		l, err := lookup(r, "keyExists", path)
		return l.Found, err
	}
}

// keyOrDefault gives the value of a key, or a default when it is missing or empty.
func keyOrDefault(r Reader) func(string, string) (string, error) {
	return func(path, def string) (string, error) {
		l, err := lookup(r, "keyOrDefault", path)
		if err != nil {
			return "", err
		}
		if l.Value == "" {
			return def, nil
		}
		return l.Value, nil
	}
}

// topLevel selects what ls lists: the keys directly below the prefix.
func topLevel(key string) bool { return key != "" && !strings.Contains(key, "/") }

// notFolder selects what tree lists: all keys but those that stand for a folder.
func notFolder(key string) bool { return key != "" && !strings.HasSuffix(key, "/") }

// keyPairs lists the keys below a prefix. The safe ones take an empty list for a
// missing answer.
func keyPairs(r Reader, fn string, selected func(key string) bool, safe bool) func(string) ([]*watch.KeyPair, error) {
	return func(prefix string) ([]*watch.KeyPair, error) {
		list := []*watch.KeyPair{}
		if prefix == "" {
			return list, nil
		}
		q, err := watch.ParsePrefix(fn, prefix)
		if err != nil {
			return nil, err
		}
		for _, pair := range read[[]*watch.KeyPair](r, q, nil) {
			if selected(pair.Key) {
				list = append(list, pair)
			}
		}
		if safe && len(list) == 0 {
			r.Refuse(q)
		}
		return list, nil
	}
}

// file gives the content of a file, and waits until there is one.
func file(r Reader, sandbox string) func(string) (string, error) {
	return func(path string) (string, error) {
		if path == "" {
			return "", nil
		}
		q, err := watch.ParseFile(path, sandbox)
		if err != nil {
			return "", err
		}
		return read(r, q, ""), nil
	}
}

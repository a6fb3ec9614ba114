package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// definitions is what the files hold. The names are those of Consul's service
// definitions
// (https://developer.hashicorp.com/consul/docs/reference/service), in snake case or
// as the HTTP API writes them.
type definitions struct {
	Datacenter string       `conf:"datacenter"`
	Nodes      []nodeDef    `conf:"node,nodes"`
	Services   []serviceDef `conf:"service,services"`
	Checks     []checkDef   `conf:"check,checks"`
	KV         keyDefs      `conf:"kv"`
}

type nodeDef struct {
	Pos             conf.Pos
	ID              string            `conf:"id"`
	Name            string            `conf:"name,node,node_name"`
	Address         string            `conf:"address"`
	TaggedAddresses map[string]string `conf:"tagged_addresses"`
	Meta            map[string]string `conf:"meta,node_meta"`
	Checks          []checkDef        `conf:"check,checks"`
}

type serviceDef struct {
	Pos               conf.Pos
	ID                string                `conf:"id"`
	Name              string                `conf:"name,service"`
	Kind              string                `conf:"kind"`
	Node              string                `conf:"node"`
	Tags              []string              `conf:"tags"`
	Address           string                `conf:"address"`
	Port              int                   `conf:"port"`
	Meta              map[string]string     `conf:"meta"`
	TaggedAddresses   map[string]addressDef `conf:"tagged_addresses"`
	Weights           weightsDef            `conf:"weights"`
	EnableTagOverride bool                  `conf:"enable_tag_override"`
	Connect           connectDef            `conf:"connect"`
	CreateIndex       int                   `conf:"create_index"`
	Proxy             proxyDef              `conf:"proxy"`
	Checks            []checkDef            `conf:"check,checks"`
}

type addressDef struct {
	Address string `conf:"address"`
	Port    int    `conf:"port"`
}

type weightsDef struct {
	Passing *int `conf:"passing"`
	Warning *int `conf:"warning"`
}

type checkDef struct {
	Pos       conf.Pos
	ID        string `conf:"id,check_id"`
	Name      string `conf:"name"`
	Notes     string `conf:"notes"`
	Output    string `conf:"output"`
	Status    string `conf:"status"`
	ServiceID string `conf:"service_id"`
	Node      string `conf:"node"`
}

// connectDef and proxyDef are what makes an instance a way to a service in the mesh.
type connectDef struct {
	Native bool `conf:"native"`
}

type proxyDef struct {
	Destination string `conf:"destination_service_name,destination_service"`
}

// unused are keys of a definition that say how Consul should run a check or set up
// a proxy. They are read and have no effect here.
var unused = []string{
	"alias_node", "alias_service", "args", "body", "deregister_critical_service_after", "disable_redirects",
	"docker_container_id", "failures_before_critical", "failures_before_warning", "grpc", "grpc_use_tls", "h2ping",
	"h2ping_use_tls", "header", "http", "interval", "locality", "method", "namespace", "os_service", "output_max_size",
	"partition", "script", "shell", "socket_path", "success_before_passing", "tcp", "tcp_use_tls", "timeout",
	"tls_server_name", "tls_skip_verify", "token", "ttl", "udp",
}

// unusedIn are the unused keys of the blocks that have others than the rest.
var unusedIn = map[string][]string{
	"connect": {"sidecar_service"},
	"proxy": {
		"access_logs", "config", "destination_service_id", "envoy_extensions", "expose", "local_service_address", "local_service_port",
		"local_service_socket_path", "mesh_gateway", "mode", "transparent_proxy", "upstreams",
	},
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

func explain(path, name string, _ conf.Value) error {
	if path == "" {
		return conf.ErrUnknown
	}
	list, ok := unusedIn[fold(path[strings.LastIndex(path, ".")+1:])]
	if !ok {
		list = unused
	}
	if slices.ContainsFunc(list, func(u string) bool { return fold(u) == fold(name) }) {
		return nil
	}
	return conf.ErrUnknown
}

// read reads all files of path into one set of definitions.
func read(path string) (*definitions, error) {
	files, err := conf.Files(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog: %w", err)
	}
	defs := &definitions{Datacenter: "dc1"}
	decoder := &conf.Decoder{Fold: true, Explain: explain}
	var errs []error
	for _, file := range files {
		v, err := conf.ReadFile(file)
		if err == nil {
			err = decoder.Decode(v, defs, "")
		}
		errs = append(errs, err)
	}
	return defs, errors.Join(errs...)
}

// keyDefs are the keys of the KV store, by path. A later file wins over an earlier
// one.
type keyDefs map[string]keyDef

type keyDef struct {
	pos   conf.Pos
	value string
}

// UnmarshalConf implements conf.Unmarshaler.
func (d *keyDefs) UnmarshalConf(v conf.Value) error {
	if *d == nil {
		*d = keyDefs{}
	}
	var errs []error
	switch {
	case v.IsList(): // several blocks, as JSON has them
		for _, block := range v.List {
			errs = append(errs, d.UnmarshalConf(block))
		}
	case v.IsObject():
		for _, m := range v.Object {
			errs = append(errs, d.add(m))
		}
	default:
		return v.Pos.Errorf("kv: want a block with a value for each key")
	}
	return errors.Join(errs...)
}

func (d *keyDefs) add(m conf.Member) error {
	path := strings.TrimLeft(m.Name, "/") // Consul's keys begin with something else
	value, err := m.Value.String()
	switch old, ok := (*d)[path]; {
	case err != nil:
		return m.Value.Pos.Errorf("kv.%s: %w", m.Name, err)
	case path == "":
		return m.Pos.Errorf("kv: a key needs a name")
	case ok && old.pos.File == m.Pos.File:
		return m.Pos.Errorf("kv: the key %q is set twice, first at %s", path, old.pos)
	}
	(*d)[path] = keyDef{pos: m.Pos, value: value}
	return nil
}

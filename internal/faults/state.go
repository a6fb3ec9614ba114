package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// state is what the catalog says.
type state struct {
	ports []int // of the instances of the service "web"
	// Of the key "head", so that they change at once:
	rev   int    // the revision
	extra string // a piece of configuration as it is
}

func (s state) head() string {
	return fmt.Sprintf("map $host $revision { default \"%d\"; }\n%s", s.rev, s.extra)
}

// template is what ctmpl renders of a state, and file the same, computed here.
const template = `# Rendered by ctmpl.
upstream web {
{{ range service "web" }}  server {{ .Address }}:{{ .Port }};
{{ else }}  server 127.0.0.1:65535 down;
{{ end }}}
{{ key "head" }}
`

func (s state) file() string {
	var b strings.Builder
	b.WriteString("# Rendered by ctmpl.\nupstream web {\n")
	for _, port := range s.ports {
		fmt.Fprintf(&b, "  server 127.0.0.1:%d;\n", port)
	}
	if len(s.ports) == 0 {
		b.WriteString("  server 127.0.0.1:65535 down;\n")
	}
	b.WriteString("}\n" + s.head() + "\n")
	return b.String()
}

// secondTemplate is of the other file of a group, and second the same.
const secondTemplate = "map $host $second { default \"-{{ index (key \"head\" | split \"\\\"\") 1 }}\"; }\n"

func (s state) second() string {
	return fmt.Sprintf("map $host $second { default \"-%d\"; }\n", s.rev)
}

// thirdTemplate is of a file that is not there at first, and third the same.
const thirdTemplate = `# {{ key \"head\" | len }}`

func (s state) third() string { return fmt.Sprintf("# %d", len(s.head())) }

// source is what stands for the catalog.
type source interface {
	// say makes it say what a state is.
	say(before, s state) error
	// setting is the configuration of ctmpl for it.
	setting() string
}

// catalogFile is a source in a file.
type catalogFile string

func (c catalogFile) setting() string { return fmt.Sprintf("catalog = %q\n", string(c)) }

func (c catalogFile) say(_, s state) error {
	var b strings.Builder
	b.WriteString("node {\n  name = \"n\"\n  address = \"127.0.0.1\"\n}\n")
	for i, port := range s.ports {
		fmt.Fprintf(&b, "service {\n  name = \"web\"\n  id = \"web-%d\"\n  port = %d\n}\n", i, port)
	}
	fmt.Fprintf(&b, "kv {\n  \"head\" = %q\n}\n", s.head())
	tmp := string(c) + "~"
	if err := os.WriteFile(tmp, []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, string(c))
}

// agentSource is a source that is an agent. addr is where ctmpl asks it.
type agentSource struct {
	agent *servers.Consul
	addr  string
	more  string // of the block consul
}

func (a *agentSource) setting() string {
	return fmt.Sprintf("consul {\n  address = %q\n%s}\n", a.addr, a.more)
}

func (a *agentSource) say(before, s state) error {
	for i, port := range s.ports {
		_, err := a.agent.Client.Catalog().Register(&api.CatalogRegistration{
			Node: "n", Address: "127.0.0.1", Service: &api.AgentService{ID: fmt.Sprintf("web-%d", i), Service: "web", Port: port},
		}, nil)
		if err != nil {
			return err
		}
	}
	for i := len(s.ports); i < len(before.ports); i++ {
		_, err := a.agent.Client.Catalog().Deregister(&api.CatalogDeregistration{Node: "n", ServiceID: fmt.Sprintf("web-%d", i)}, nil)
		if err != nil {
			return err
		}
	}
	_, err := a.agent.Client.KV().Put(&api.KVPair{Key: "head", Value: []byte(s.head())}, nil)
	return err
}

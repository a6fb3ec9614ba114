package main

import (
	"fmt"
	"strings"
)

// version is the version of the program.
const version = "0.1.0"

// helpText is what -help prints.
func helpText() string {
	var b strings.Builder
	b.WriteString(`ctmpl keeps nginx's configuration true to Consul: it renders templates when the
catalog or the KV store changes, and runs a command when the result does.

  ctmpl -template "nginx.conf.tmpl:/etc/nginx/nginx.conf:nginx -s reload"
  ctmpl -config /etc/ctmpl.d
  ctmpl -once -dry -catalog catalog.hcl -template nginx.conf.tmpl

Commands:
`)
	for _, c := range commands() {
		writeWrapped(&b, "  "+c.name+" "+c.args, c.help)
	}
	for _, group := range options {
		fmt.Fprintf(&b, "\n%s:\n", group.title)
		for _, o := range group.list {
			writeOption(&b, o)
		}
	}
	b.WriteString(`
Flags may be written with one dash or two. A flag wins over a configuration file,
and that over the environment. TIME is a duration such as 500ms, 5s or 1m30s.

Exit codes: 0 all is well, 12 ended by a signal, 13 bad flags, 14 something could not
be rendered or Consul was given up, 15 bad configuration; with -exec those of the program.

SIGHUP reads configuration and templates again; SIGINT and SIGTERM end the program.
With -exec SIGTERM and all other signals are passed on.
`)
	return b.String()
}

// writeOption writes one flag with its explanation, wrapped.
func writeOption(b *strings.Builder, o option) {
	head := "  -" + o.name
	if o.arg != "" {
		head += " " + o.arg
	}
	writeWrapped(b, head, o.help)
}

// writeWrapped writes a text beside what it explains.
func writeWrapped(b *strings.Builder, head, text string) {
	const column = 30
	if len(head) > column-2 {
		fmt.Fprintln(b, head)
		head = ""
	}
	line := fmt.Sprintf("%-*s", column, head)
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 88 {
			fmt.Fprintln(b, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", column)
		}
		line += word + " "
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}

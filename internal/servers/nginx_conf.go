package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// HTTPTemp gives the directives for an http block that keep its temporary files
// and its access log below dir. nginx's own defaults need root.
func HTTPTemp(dir string) string {
	var b strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", name, filepath.Join(dir, "tmp", name))
	}
	fmt.Fprintf(&b, "access_log %s;\n", filepath.Join(dir, "access.log"))
	return b.String()
}

// Globals gives the directives for -g with which nginx runs in the foreground
// and below dir: those of "daemon off", "pid", "user" (as root), "error_log" and
// "load_module" for stream that conf, the text of the configuration, does not
// set itself, since nginx takes each only once. They stay in force when nginx
// reloads, so a later configuration may not begin to set them.
//
// The pid file is dir/nginx.pid. As root the workers run as root too: a test's
// directory is closed to anybody else.
func Globals(conf, dir string, found installed.Nginx) string {
	set := func(directive string) bool { return sets(conf, directive) }
	var globals []string
	add := func(needed bool, directive string) {
		if needed {
			globals = append(globals, directive)
		}
	}
	add(!set("daemon"), "daemon off;")
	add(!set("pid"), "pid "+filepath.Join(dir, "nginx.pid")+";")
	add(os.Geteuid() == 0 && !set("user"), "user root;")
	add(found.StreamModule != "" && !loadsStream(conf), "load_module "+found.StreamModule+";")
	return strings.Join(globals, " ")
}

var (
	confComment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	streamLoad  = regexp.MustCompile(`load_module\s[^;]*ngx_stream_module|include\s[^;]*modules-enabled`)
)

// sets says whether the configuration has a directive of that name. It looks at
// the text only, which is enough for names that exist on the top level alone.
func sets(conf, directive string) bool {
	re := regexp.MustCompile(`(?m)(?:^|[;{}])\s*` + directive + `\s`)
	return re.MatchString(confComment.ReplaceAllString(conf, ""))
}

func loadsStream(conf string) bool {
	return streamLoad.MatchString(confComment.ReplaceAllString(conf, ""))
}

// shellQuote writes an argument so that sh reads it as it is.
func shellQuote(arg string) string {
	if plainArg.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

var plainArg = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

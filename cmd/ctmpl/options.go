package main

// option is one flag that stands for a key of the configuration.
type option struct {
	name, path string // without a path the flag is one of the command line alone
	arg        string // what its value is called; a truth value without
	help       string
}

// options are the flags by group, in the order of the help text.
var options = []struct {
	title string
	list  []option
}{
	{"What to render", []option{
		{"template", "template", "SRC:DEST:CMD", "a template (a file, or one that ctmpl templates lists), where its output goes, and a command to run when that changes; repeatable"},
		{"var", "vars", "NAME=VALUE", "what var \"NAME\" gives in templates; repeatable"},
		{"check", "template.check", "CMD", "with one template: what checks its output before that is live, such as \"nginx -t -c {{ .Staged }}\""},
		{"verify", "template.verify", "CMD", "with one template: what checks afterwards that all is well"},
		{"reload", "template.reload", "PROGRAM", "with one template: nginx is checked and reloaded by ctmpl itself, in place of a command"},
		{"format", "template.format", "SYNTAX", "with one template: what its output is (nginx)"},
		{"config", "", "PATH", "a configuration file, or a directory of them; repeatable, later ones win"},
		{"dry", "", "", "print the output in place of writing it, and run no command"},
		{"diff", "", "", "with -dry: print what would change in the destinations; without: log it, at level debug"},
		{"once", "once", "", "render everything once, then exit"},
		{"once-timeout", "once_timeout", "TIME", "with -once: give up after this time, and say what is missing"},
		{"parse-only", "parse_only", "", "read configuration and templates, then exit; see also ctmpl check"},
		{"wait", "wait", "MIN[:MAX]", "wait for this long without a change before rendering again, at the most for MAX (4 × MIN)"},
		{"default-left-delimiter", "default_delimiters.left", "TEXT", `begins an action in templates ("{{")`},
		{"default-right-delimiter", "default_delimiters.right", "TEXT", `ends an action in templates ("}}")`},
		{"template-error-fatal", "template_error_fatal", "", "exit when a template fails, in place of going on with the others"},
	}},
	{"Where the data comes from", []option{
		{"catalog", "catalog", "PATH", "a catalog file or directory that takes the place of Consul"},
		{"consul-addr", "consul.address", "ADDR", "the Consul agent (CONSUL_HTTP_ADDR, or localhost:8500)"},
		{"consul-token", "consul.token", "TOKEN", "the ACL token (CONSUL_HTTP_TOKEN)"},
		{"consul-token-file", "consul.token_file", "FILE", "a file that holds the ACL token (CONSUL_HTTP_TOKEN_FILE)"},
		{"consul-auth", "", "USER:PASSWORD", "HTTP basic authentication (CONSUL_HTTP_AUTH)"},
		{"max-stale", "max_stale", "TIME", "how far the answering server may be behind the leader (2s); 0 asks the leader only"},
		{"retry", "consul.retry.backoff", "TIME", "the same as -consul-retry-backoff"},
		{"consul-retry", "consul.retry.enabled", "", "ask again what failed (true)"},
		{"consul-retry-attempts", "consul.retry.attempts", "N", "exit after N failures in a row (0: go on for ever)"},
		{"consul-retry-backoff", "consul.retry.backoff", "TIME", "the first wait after a failure, doubled each time (250ms)"},
		{"consul-retry-max-backoff", "consul.retry.max_backoff", "TIME", "the longest wait (1m)"},
	}},
	{"HTTPS and connections to Consul", []option{
		{"consul-ssl", "consul.ssl.enabled", "", "use HTTPS (CONSUL_HTTP_SSL)"},
		{"consul-ssl-verify", "consul.ssl.verify", "", "verify the certificate (CONSUL_HTTP_SSL_VERIFY)"},
		{"consul-ssl-ca-cert", "consul.ssl.ca_cert", "FILE", "the certificate of the authority (CONSUL_CACERT)"},
		{"consul-ssl-ca-path", "consul.ssl.ca_path", "DIR", "a directory of them (CONSUL_CAPATH)"},
		{"consul-ssl-cert", "consul.ssl.cert", "FILE", "the client's certificate (CONSUL_CLIENT_CERT)"},
		{"consul-ssl-key", "consul.ssl.key", "FILE", "the client's key (CONSUL_CLIENT_KEY)"},
		{"consul-ssl-server-name", "consul.ssl.server_name", "NAME", "the name in the server's certificate (CONSUL_TLS_SERVER_NAME)"},
		{"consul-transport-dial-keep-alive", "consul.transport.dial_keep_alive", "TIME", "the interval of TCP keep-alives (30s)"},
		{"consul-transport-dial-timeout", "consul.transport.dial_timeout", "TIME", "the longest wait for a connection (30s)"},
		{"consul-transport-disable-keep-alives", "consul.transport.disable_keep_alives", "", "a new connection for each request"},
		{"consul-transport-max-idle-conns-per-host", "consul.transport.max_idle_conns_per_host", "N", "connections kept open while idle"},
		{"consul-transport-tls-handshake-timeout", "consul.transport.tls_handshake_timeout", "TIME", "the longest TLS handshake (10s)"},
	}},
	{"A program to supervise", []option{
		{"exec", "exec.command", "CMD", "start this program when everything is rendered, reload it when something changes, and exit with it"},
		{"exec-reload-signal", "exec.reload_signal", "SIGNAL", "what reloads it (without: it is ended and started anew)"},
		{"exec-kill-signal", "exec.kill_signal", "SIGNAL", "what ends it (SIGINT)"},
		{"exec-kill-timeout", "exec.kill_timeout", "TIME", "how long it may take to end before it is killed (30s)"},
		{"exec-splay", "exec.splay", "TIME", "wait for a random time up to this one before it is reloaded or ended"},
		{"exec-env-pristine", "exec.env.pristine", "", "it gets nothing of the environment but what is custom"},
		{"exec-env-custom", "exec.env.custom", "NAME=VALUE", "a variable of its own; repeatable"},
		{"exec-env-allowlist", "exec.env.allowlist", "PATTERN", "the only variables it gets, such as PATH or AWS_*; repeatable"},
		{"exec-env-denylist", "exec.env.denylist", "PATTERN", "variables it does not get; repeatable"},
	}},
	{"The program itself", []option{
		{"reload-signal", "reload_signal", "SIGNAL", "what reads configuration and templates again (SIGHUP)"},
		{"kill-signal", "kill_signal", "SIGNAL", "what ends the program, beside SIGTERM (SIGINT)"},
		{"state-dir", "state_dir", "DIR", "where the last good outputs are kept (/var/lib/ctmpl as root); none: nowhere"},
		{"pid-file", "pid_file", "FILE", "where to write the number of the process"},
		{"log-level", "log_level", "LEVEL", "trace, debug, info, warn or err (info)"},
		{"log-format", "log_format", "FORMAT", "text or json (text)"},
		{"log-file", "log_file.path", "FILE", "write the log to a file, too"},
		{"log-rotate-bytes", "log_file.log_rotate_bytes", "N", "begin a new one when it has this size (0: never)"},
		{"log-rotate-duration", "log_file.log_rotate_duration", "TIME", "begin a new one after this time (24h)"},
		{"log-rotate-max-files", "log_file.log_rotate_max_files", "N", "old ones to keep (0: all of them, -1: none)"},
		{"syslog", "syslog.enabled", "", "write the log to the syslog, too"},
		{"syslog-facility", "syslog.facility", "NAME", "its facility there (LOCAL0)"},
		{"syslog-name", "syslog.name", "NAME", "the name of the program there (ctmpl)"},
		{"help", "", "", "print this text; also -h"},
		{"version", "", "", "print the version; also -v"},
	}},
}

// laterFlags are flags of consul-template that are to come, beside those of Vault
// and Nomad.
var laterFlags = []string{"dedup"}

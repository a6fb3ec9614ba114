package main

// faults are all that is done.
var faults = []fault{
	{
		name: "kill-reload", what: "`kill -9` of ctmpl at each step of a rollout that reloads nginx", quick: true,
		sees: "nothing", promise: "the next start puts back what was cut short, and rolls out what the catalog says",
		run: killEach(options{}, false),
	}, {
		name: "kill-group", what: "the same with a group of two files", quick: true,
		sees: "nothing", promise: "both files are of one revision again after the next start",
		run: killEach(options{two: true}, false),
	}, {
		name: "kill-verify", what: "the same when what was rolled out fails its verification", quick: true,
		sees: "the new configuration until it has been verified", promise: "the configuration before is back",
		run: killEach(options{rollout: "reload = \"nginx\"\nverify = \"! grep -q poison DIR/conf.d/upstreams.conf\""}, true),
	}, {
		name: "kill-check", what: "the same when it fails its check", quick: true,
		sees: "nothing", promise: "the new files do not go live",
		run: killEach(options{rollout: "reload = \"nginx\"\ncheck = \"! grep -q poison {{ .Staged }}\""}, true),
	}, {
		name: "kill-command", what: "`kill -9` of ctmpl at each step of a rollout with a plain command", quick: true,
		sees: "nothing", promise: "a command that is owed is run by the next start",
		run: killEach(options{rollout: "command = \"kill -HUP $(cat DIR/nginx.pid)\""}, false),
	}, {
		name: "kill-random", what: "`kill -9` of ctmpl at any time during many changes of a group", quick: true,
		sees: "nothing", promise: "as above",
		run: killRandom,
	}, {
		name: "bad-config", what: "data with which nginx does not take its configuration", quick: true,
		sees: "nothing", promise: "the files stay as they are until the data is good again",
		run: badConfig,
	}, {
		name: "port-taken", what: "the new configuration listens on a port that somebody else has", quick: true,
		sees: "nothing", promise: "nginx goes on with what it had, the files before are back, and it is tried again",
		run: portTaken,
	}, {
		name: "nginx-killed", what: "nginx is killed at each step of a rollout, and started again",
		sees: "nothing but that nginx is down", promise: "nginx has what the catalog says once it runs again",
		run: interruptEach(options{}, nginxDown),
	}, {
		name: "nginx-killed-in-reload", what: "nginx is killed while it reads 4,000 upstreams", quick: true,
		sees: "nothing but that nginx is down", promise: "as above",
		run: nginxKilledInReload,
	}, {
		name: "nginx-frozen", what: "nginx does not react to a reload", quick: true,
		sees: "nothing", promise: "a reload that is not seen to have taken is tried again",
		run: nginxFrozen,
	}, {
		name: "disk-full", what: "the disk of the destination is full from each step of a rollout on", root: true,
		sees: "nothing", promise: "the files before stay, whole; it is tried again",
		run: interruptEach(options{before: small("conf.d", 128)}, full("conf.d")),
	}, {
		name: "disk-nearly-full", what: "the disk of the destination has room for ever more pages, but not for all", root: true, quick: true,
		sees: "nothing", promise: "as above",
		run: fillUp("conf.d", 128),
	}, {
		name: "state-full", what: "the disk of the state directory is full from each step of a rollout on", root: true,
		sees: "nothing", promise: "nothing goes live that could not be put back after a crash",
		run: interruptEach(options{before: small("state", 512)}, full("state")),
	}, {
		name: "state-nearly-full", what: "the disk of the state directory has room for ever more pages, but not for all", root: true, quick: true,
		sees: "nothing", promise: "as above",
		run: fillUp("state", 512),
	}, {
		name: "read-only", what: "the destination is read-only from each step of a rollout on", root: true,
		sees: "nothing", promise: "the files before stay; it is tried again",
		run: interruptEach(options{}, readOnly("conf.d").cleared()),
	}, {
		name: "read-only-undo", what: "the same when the new configuration fails its verification, and cannot be taken back", root: true,
		sees: "the new configuration until the destination can be written to", promise: "the files before are kept, and put back as soon as that works",
		run: interruptEach(options{rollout: "reload = \"nginx\"\nverify = \"! grep -q poison DIR/conf.d/upstreams.conf\""}, readOnly("conf.d").cleared().poisoned()),
	}, {
		name: "state-read-only", what: "the state directory is read-only from each step of a rollout on", root: true,
		sees: "nothing", promise: "as when it is full",
		run: interruptEach(options{}, readOnly("state")),
	},
	{
		name: "command-fails", what: "a check, command or verification that fails", quick: true,
		sees: "nothing; the new configuration until a verification has failed", promise: "the files are as before",
		run: misbehave("fail", false),
	}, {
		name: "command-hangs", what: "one that hangs, and ignores SIGTERM", quick: true,
		sees: "the same", promise: "the same after its timeout; nothing of it is left running",
		run: misbehave("hang", false),
	}, {
		name: "command-forks", what: "one that leaves a child behind with its output open", quick: true,
		sees: "nothing", promise: "nobody waits for the child",
		run: misbehave("fork", true),
	}, {
		name: "command-prints", what: "one that prints 100 MB and fails", quick: true,
		sees: "as when it fails", promise: "the same; the memory stays bounded",
		run: misbehave("print", false),
	}, {
		name: "template", what: "a template that panics, loops, calls itself, prints without end, does not parse, fails", quick: true,
		sees: "nothing", promise: "the last good output stays; ctmpl goes on",
		run: badTemplate,
	},
	{
		name: "consul-killed", what: "Consul is killed, and started again with its data",
		sees: "nothing", promise: "what is live stays; changes go on when Consul is back",
		run: consulKilled,
	}, {
		name: "consul-empty", what: "Consul is killed, and comes back empty", quick: true,
		sees: "nothing", promise: "with a `guard` an emptied catalog does not empty the files",
		run: consulEmpty,
	}, {
		name: "consul-frozen", what: "the agent stands still with its connections open", quick: true,
		sees: "nothing", promise: "what is live stays; changes go on when it does",
		run: consulFrozen,
	}, {
		name: "consul-leader", what: "a cluster loses its leader, and then every leader",
		sees: "nothing", promise: "as when Consul is killed",
		run: leaderLost,
	}, {
		name: "consul-token", what: "the token loses its rights, and then is deleted", quick: true,
		sees: "nothing", promise: "with a `guard` what may not be seen any more stays; a new token in `token_file` is taken up",
		run: tokenRevoked,
	}, {
		name: "consul-garbage", what: "the agent answers with what is not JSON, with truncated JSON, with a connection that is cut, and with an empty list", quick: true,
		sees: "nothing", promise: "what is live stays (an empty list: with a `guard`)",
		run: badAnswers("garbage", "truncated", "cut", "empty"),
	}, {
		name: "consul-errors", what: "the agent answers 429, and 500", quick: true,
		sees: "nothing", promise: "what is live stays",
		run: badAnswers("429", "500"),
	}, {
		name: "consul-hangs", what: "the agent takes requests and never answers them",
		sees: "nothing", promise: "what is live stays; it is asked again when the time of a query is up",
		run: badAnswers("hang"),
	}, {
		name: "flapping", what: "1,000 services change for a minute as fast as Consul takes it, with `min_reload_interval = \"2s\"`", quick: true,
		sees: "nothing of the services that do not change", promise: "reloads stay within their bounds, and in the end all is as in the catalog",
		run: flapping,
	},
}

package main

// Checks and verifications of the trials: they refuse what holds poison.
const (
	refusingVerify = "reload = \"nginx\"\nverify = \"! grep -q poison DIR/conf.d/upstreams.conf\""
	refusingCheck  = "reload = \"nginx\"\ncheck = \"! grep -q poison {{ .Staged }}\""
	plainCommand   = "command = \"kill -HUP $(cat DIR/nginx.pid)\""
)

const nothing = "nothing"

// faults are all that is done.
var faults = []fault{
	{
		name: "kill-reload", quick: true, run: killEach(options{}, false),
		what: "`kill -9` of ctmpl at each step of a rollout with `reload = \"nginx\"`", sees: nothing,
		promise: "the next start puts back what was cut short, reloads, and rolls out what the catalog says",
	}, {
		name: "kill-group", run: killEach(options{two: true}, false),
		what: "`kill -9` at each step of the rollout of a group of two files", sees: nothing,
		promise: "after the next start both files are of one revision",
	}, {
		name: "kill-first", run: killEach(options{fresh: true}, false),
		what: "`kill -9` at each step of a rollout with a file that was not there before", sees: nothing,
		promise: "after the next start the file is there, and whole",
	}, {
		name: "kill-away", quick: true, run: killAway,
		what: "`kill -9` at each step of the rollout of a group, and Consul does not answer at the next start", sees: nothing,
		promise: "without Consul, too, all files are of one revision, the one before or the new one, and nginx serves just that",
	}, {
		name: "kill-verify", quick: true, run: killEach(options{rollout: refusingVerify}, true),
		what: "`kill -9` at each step of a rollout whose `verify` fails", sees: "the new configuration until it has been verified, or ctmpl has been started again",
		promise: "the configuration before is back, on disk and in nginx",
	}, {
		name: "kill-check", quick: true, run: killEach(options{rollout: refusingCheck}, true),
		what: "`kill -9` at each step of a rollout whose `check` fails", sees: nothing,
		promise: "the new files never go live",
	}, {
		name: "kill-command", quick: true, run: killEach(options{rollout: plainCommand}, false),
		what: "`kill -9` at each step of a rollout with a plain `command`", sees: nothing,
		promise: "a command that is owed is run by the next start",
	}, {
		name: "kill-random", quick: true, run: killRandom,
		what: "`kill -9` at any moment, again and again, while the catalog changes all the time", sees: nothing,
		promise: "when it is left alone, all is as the catalog says",
	}, {
		name: "bad-config", quick: true, run: badConfig,
		what: "data with which nginx does not take its configuration", sees: nothing,
		promise: "the files stay as they are until the data is good",
	}, {
		name: "port-taken", quick: true, run: portTaken,
		what: "the new configuration listens on a port that another program has, which `nginx -t` does not see", sees: nothing,
		promise: "the files before are back; it is tried again, and goes live when the port is free",
	}, {
		name: "nginx-killed", run: interruptEach(options{}, nginxDown),
		what: "nginx is killed at each step of a rollout, and started again", sees: "that nginx is down",
		promise: "once it runs again, it has what the catalog says",
	}, {
		name: "nginx-killed-in-reload", quick: true, run: nginxKilledInReload,
		what: "nginx is killed while it reloads 4,000 upstreams, and started again", sees: "that nginx is down",
		promise: "once it runs again, it has what the catalog says",
	}, {
		name: "nginx-frozen", quick: true, run: nginxFrozen,
		what: "nginx does not react to a reload within `reload_timeout`", sees: nothing,
		promise: "a reload that is not seen to have taken has failed, and is tried again",
	}, {
		name: "disk-full", root: true, run: interruptEach(options{before: small("conf.d", 128)}, full("conf.d")),
		what: "the disk of the destination is full, from each step of a rollout on", sees: nothing,
		promise: "the files are those before or the new ones, whole; what did not work is tried again",
	}, {
		name: "disk-nearly-full", root: true, quick: true, run: fillUp("conf.d", 128),
		what: "the disk of the destination has room for 0, 1, 2 … pages", sees: nothing,
		promise: "the files are those before or the new ones, whole; what did not work is tried again",
	}, {
		name: "state-full", root: true, run: interruptEach(options{before: small("state", 512)}, full("state")),
		what: "the disk of the state directory is full, from each step of a rollout on", sees: nothing,
		promise: "nothing goes live of which a crash would not be repaired; it is tried again",
	}, {
		name: "state-nearly-full", root: true, quick: true, run: fillUp("state", 512),
		what: "the disk of the state directory has room for 0, 1, 2 … pages", sees: nothing,
		promise: "nothing goes live of which a crash would not be repaired; it is tried again",
	}, {
		name: "read-only", root: true, run: interruptEach(options{}, readOnly("conf.d").cleared()),
		what: "the destination is read-only, from each step of a rollout on", sees: nothing,
		promise: "the files are those before or the new ones, whole; what did not work is tried again. What could not be removed meanwhile is removed by the next start at the latest",
	}, {
		name: "read-only-undo", root: true, run: interruptEach(options{rollout: refusingVerify}, readOnly("conf.d").cleared().poisoned()),
		what: "the destination is read-only, from each step of a rollout on whose `verify` fails", sees: "the new configuration until the destination can be written to",
		promise: "the files before are kept, and put back as soon as that can be done",
	}, {
		name: "state-read-only", root: true, run: interruptEach(options{}, readOnly("state")),
		what: "the state directory is read-only, from each step of a rollout on", sees: nothing,
		promise: "nothing goes live of which a crash would not be repaired; it is tried again",
	}, {
		name: "command-fails", quick: true, run: misbehave("fail", false),
		what: "a `check`, `command` or `verify` fails", sees: "nothing; the new configuration until `verify` has failed",
		promise: "the files are as before",
	}, {
		name: "command-hangs", quick: true, run: misbehave("hang", false),
		what: "one of them hangs and ignores SIGTERM", sees: "as when it fails",
		promise: "as when it fails, after its timeout; nothing of it is left running",
	}, {
		name: "command-forks", quick: true, run: misbehave("fork", true),
		what: "one of them leaves a child behind that holds its output open", sees: nothing,
		promise: "the child is not waited for",
	}, {
		name: "command-prints", quick: true, run: misbehave("print", false),
		what: "one of them prints 100 MB and fails", sees: "as when it fails",
		promise: "as when it fails; ctmpl's memory stays bounded",
	}, {
		name: "template", quick: true, run: badTemplate,
		what: "a template panics, loops without end, executes itself, prints without end, does not parse, fails", sees: nothing,
		promise: "the last good output stays, and ctmpl goes on",
	}, {
		name: "consul-killed", run: consulKilled,
		what: "Consul is killed, and started again with its data", sees: nothing,
		promise: "what is live stays; changes go on when Consul is back",
	}, {
		name: "consul-empty", quick: true, run: consulEmpty,
		what: "Consul is killed, and comes back with nothing", sees: nothing,
		promise: "with a `guard` what is live stays until the services are back",
	}, {
		name: "consul-frozen", quick: true, run: consulFrozen,
		what: "the agent stands still with its connections open", sees: nothing,
		promise: "what is live stays; changes go on when the agent does",
	}, {
		name: "consul-leader", run: leaderLost,
		what: "a cluster of three loses its leader, and then one more server", sees: nothing,
		promise: "what is live stays; changes go on when there is a leader",
	}, {
		name: "consul-token", quick: true, run: tokenRevoked,
		what: "the ACL token loses its rights; then it is deleted", sees: nothing,
		promise: "with a `guard` what may not be seen any more stays; a new token in `token_file` is taken up",
	}, {
		name: "consul-garbage", quick: true, run: badAnswers("garbage", "truncated", "cut", "empty"),
		what: "the agent answers what is not JSON, truncated JSON, with the connection cut, an empty list", sees: nothing,
		promise: "what is live stays (with an empty list: with a `guard`)",
	}, {
		name: "consul-errors", quick: true, run: badAnswers("429", "500"),
		what: "the agent answers 429; 500", sees: nothing,
		promise: "what is live stays; it is asked again with growing pauses",
	}, {
		name: "consul-hangs", run: badAnswers("hang"),
		what: "the agent takes requests and never answers them", sees: nothing,
		promise: "what is live stays; it is asked anew 30 s after the time of a query (`block_query_wait`, here 3 s) is up",
	}, {
		name: "flapping", quick: true, run: flapping(false),
		what: "1,000 services change for a minute, as fast as Consul takes it", sees: "changes after some seconds",
		promise: "reloads keep to `min_reload_interval` (2 s here); in the end all is as the catalog says",
	}, {
		name: "flapping-names", run: flapping(true),
		what: "1,000 services change for a minute, and many a second of them appear and vanish", sees: "changes after some seconds",
		promise: "reloads keep to `min_reload_interval` (2 s here); in the end all is as the catalog says",
	}, {
		name: "clock", run: clockJumps,
		what: "the clock of the day jumps by hours and by years, also while a guard holds something, and between two starts", sees: nothing,
		promise: "changes go on at once; what is held stays held for its time: durations are measured by the clock that does not jump",
	},
}

package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// startTime bounds a start when the context has no deadline of its own.
const startTime = 60 * time.Second

// ConsulOptions are what a test may choose about an agent. The zero value is a
// dev agent without ACL and DNS on a free port.
type ConsulOptions struct {
	// Node is the name of the node, "consul-1" by default.
	Node string
	// Config is HCL text that is read last, so that it wins.
	Config string
	// ACL denies everything that a token does not allow. ManagementToken, which
	// Client then uses, allows all.
	ACL bool
	// DNS asks for a DNS port.
	DNS bool
	// HTTPPort is a free port by default.
	HTTPPort int
	// Persistent makes a server with a data directory, whose state survives
	// Restart. It takes some seconds longer to start than a dev agent.
	Persistent bool
}

// Consul is an agent that was started. Its methods are for one goroutine at a
// time; the client is for any number.
type Consul struct {
	Node     string
	HTTPAddr string // "127.0.0.1:22001"
	DNSAddr  string // "" without ConsulOptions.DNS
	Token    string // ManagementToken, "" without ACL
	// Client stays good over restarts.
	Client *api.Client

	agent     agent
	binary    string
	dir       string
	transport *http.Transport
	proc      *process
}

// ConsulPath gives the path of the consul that the tests use, or an error that
// says how to build it.
func ConsulPath() (string, error) { return installed.Consul.Find() }

// ConsulTemplatePath is ConsulPath for consul-template.
func ConsulTemplatePath() (string, error) { return installed.ConsulTemplate.Find() }

// StartConsul starts an agent on 127.0.0.1 and returns when it has a leader and
// its own node is in the catalog: in about half a second.
func StartConsul(ctx context.Context, opts ConsulOptions) (*Consul, error) {
	role := devServer
	if opts.Persistent {
		role = singleServer
	}
	agent, err := newAgent(role, "127.0.0.1", opts)
	if err != nil {
		return nil, err
	}
	c, err := newConsul(agent)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// newConsul makes the client and the directory of an agent that does not run
// yet.
func newConsul(a agent) (*Consul, error) {
	binary, err := ConsulPath()
	if err != nil {
		return nil, err
	}
	c := &Consul{Node: a.node, HTTPAddr: net.JoinHostPort(a.ip, strconv.Itoa(a.http)), agent: a, binary: binary}
	if a.dns > 0 {
		c.DNSAddr = net.JoinHostPort(a.ip, strconv.Itoa(a.dns))
	}
	if a.acl {
		c.Token = ManagementToken
	}
	c.transport = &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	c.Client, err = api.NewClient(&api.Config{
		Address: c.HTTPAddr, Scheme: "http", Token: c.Token, HttpClient: &http.Client{Transport: c.transport},
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", a.node, err)
	}
	if c.dir, err = os.MkdirTemp("", "ctmpl-consul-"); err != nil {
		return nil, fmt.Errorf("make a directory for %s: %w", a.node, err)
	}
	return c, nil
}

// start launches the agent and waits until it is ready.
func (c *Consul) start(ctx context.Context) error {
	if err := c.launch(); err != nil {
		return err
	}
	return c.await(ctx, c.ready)
}

// launch starts the process and does not wait for anything.
func (c *Consul) launch() error {
	args, err := c.agent.write(c.dir)
	if err != nil {
		return err
	}
	c.proc, err = startProcess(command{
		name: "consul agent " + c.Node,
		argv: append([]string{c.binary}, args...),
		log:  c.LogPath(),
		// Nothing that it would still have to do matters to anybody.
		onParentDeath: syscall.SIGKILL,
	})
	return err
}

// await waits for a condition; the error holds the end of the log.
func (c *Consul) await(ctx context.Context, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := waitFor(ctx, c.proc, func() error { return condition(ctx) }); err != nil {
		return fmt.Errorf("wait for consul agent %s on %s: %w%s", c.Node, c.HTTPAddr, err, c.proc.tail())
	}
	return nil
}

// ready says whether the agent knows a leader and is in the catalog itself.
func (c *Consul) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	query := (&api.QueryOptions{}).WithContext(ctx)
	leader, err := c.Client.Status().LeaderWithQueryOptions(query)
	if err != nil {
		return err
	}
	if leader == "" {
		return errors.New("there is no leader")
	}
	nodes, _, err := c.Client.Catalog().Nodes(query)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if node.Node == c.Node {
			return nil
		}
	}
	return errors.New("its node is not in the catalog")
}

// askTime bounds one question to an agent: without a leader an answer can take
// 20 s.
const askTime = 3 * time.Second

// PID is the process ID of the agent.
func (c *Consul) PID() int { return c.proc.pid() }

// Running says whether the process lives.
func (c *Consul) Running() bool { return c.proc != nil && c.proc.running() }

// Stop ends the agent for good and removes its files.
func (c *Consul) Stop() error {
	c.transport.CloseIdleConnections()
	return errors.Join(c.proc.stop(syscall.SIGTERM), os.RemoveAll(c.dir))
}

// Kill ends the agent at once, as a crash would. Restart starts it again.
func (c *Consul) Kill() {
	c.proc.kill()
	c.transport.CloseIdleConnections()
}

// Freeze keeps the agent from doing anything, while its connections stay open:
// the fault in which nothing answers and nothing fails.
func (c *Consul) Freeze() error { return c.proc.freeze() }

// Thaw ends a Freeze.
func (c *Consul) Thaw() error { return c.proc.signal(syscall.SIGCONT) }

// Restart stops the agent if it runs and starts it on the same ports. A dev
// agent forgets its state, any other keeps it.
func (c *Consul) Restart(ctx context.Context) error {
	if err := c.proc.stop(syscall.SIGTERM); err != nil {
		return err
	}
	c.transport.CloseIdleConnections()
	return c.start(ctx)
}

// RestartFresh is Restart for an agent that forgets its state in any case.
func (c *Consul) RestartFresh(ctx context.Context) error {
	if err := c.proc.stop(syscall.SIGTERM); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(c.dir, "data")); err != nil {
		return fmt.Errorf("remove the state of %s: %w", c.Node, err)
	}
	return c.Restart(ctx)
}

// LogPath gives the file with the log of the agent, over all restarts.
func (c *Consul) LogPath() string { return filepath.Join(c.dir, "consul.log") }

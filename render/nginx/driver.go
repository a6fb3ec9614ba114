package nginx

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// Config is what is known of an nginx. What is empty is found: from the nginx that
// runs, else from nginx -V and the main file.
type Config struct {
	Binary  string // path, or a name to look for in PATH
	Conf    string // the main file
	Prefix  string // as of -p
	PidFile string

	CheckTimeout  time.Duration // of one nginx -t; 30 s when 0
	ReloadTimeout time.Duration // until the new workers serve; 30 s when 0
	MaxDraining   int           // draining workers for each that serves beyond which a reload waits; 8 when 0, no bound when negative

	// CheckMethod is MethodOverlay, MethodTree or MethodLive, or empty for the first of
	// them that is possible.
	CheckMethod string
	// VersionURL is where the new workers answer the version that Reload is given:
	// "http://127.0.0.1:81/version" or "unix:/run/x.sock:/version". Empty when nowhere.
	VersionURL string
}

// How files are checked before they are live.
const (
	MethodOverlay = "overlay" // mounted over the live ones, in a mount namespace of its own
	MethodTree    = "tree"    // in a tree of symbolic links beside the live one
	MethodLive    = "live"    // not at all: in place only
)

const (
	defaultTimeout     = 30 * time.Second
	defaultMaxDraining = 8
)

// Driver checks and reloads one nginx. It is safe for use by several goroutines.
type Driver struct {
	cfg    Config
	log    *slog.Logger
	builds builds
	idle   func(*master) (idle, known bool) // what the kernel tells of the master

	mu       sync.Mutex
	method   string          // that was logged last, with the reasons
	unlinked map[string]bool // files that were said to be included nowhere
}

var _ rollout.Driver = (*Driver)(nil)

// New gives the driver of an nginx, which need not run or be there yet.
func New(cfg Config, log *slog.Logger) *Driver {
	cfg.CheckTimeout = cmp.Or(cfg.CheckTimeout, defaultTimeout)
	cfg.ReloadTimeout = cmp.Or(cfg.ReloadTimeout, defaultTimeout)
	cfg.MaxDraining = cmp.Or(cfg.MaxDraining, defaultMaxDraining)
	return &Driver{cfg: cfg, log: log, idle: (*master).idle, unlinked: make(map[string]bool)}
}

// Key is equal for drivers of equal configurations.
func (d *Driver) Key() string { return fmt.Sprintf("nginx%q", fmt.Sprint(d.cfg)) }

// String names nginx, with the main file when one was given.
func (d *Driver) String() string {
	if d.cfg.Conf == "" {
		return "nginx"
	}
	return "nginx (" + d.cfg.Conf + ")"
}

// Busy says that too many workers are draining.
func (d *Driver) Busy() string {
	if d.cfg.MaxDraining < 0 {
		return ""
	}
	in, err := d.find(context.Background())
	if err != nil || in.master == nil {
		return ""
	}
	count := map[role]int{}
	for _, c := range children(in.master.pid) {
		count[c.role]++
	}
	if !tooMany(count[draining], count[serving], d.cfg.MaxDraining) {
		return ""
	}
	return fmt.Sprintf("%d workers are still draining, and %d serve (max_draining %d)", count[draining], count[serving], d.cfg.MaxDraining)
}

// tooMany tells whether more workers are draining than may be for each that serves: one reload
// may leave as many as serve.
func tooMany(draining, serving, most int) bool { return draining > most*max(1, serving) }

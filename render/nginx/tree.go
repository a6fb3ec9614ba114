package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// tree checks in a tree of its own, which needs no privileges. Below its root, each
// directory that matters is at its live path: a file there is a link to the live one
// or to the staged one, or a copy whose includes lead into the tree.
func (d *Driver) tree(ctx context.Context, in instance, staged []rollout.Staged) error {
	v := viewOf(staged)
	err := d.testTree(ctx, in, v)
	if !errors.As(err, new(*failedError)) {
		return err
	}
	// The tree may be to blame: a link that leads around it, a path that it changes.
	if alone := d.testTree(ctx, in, view{}); errors.As(alone, new(*failedError)) && d.test(ctx, in, in.conf, nil) == nil {
		return &impossibleError{fmt.Errorf("what is live passes its check, but not as a tree: %w", alone)}
	}
	return err
}

func (d *Driver) testTree(ctx context.Context, in instance, v view) error {
	root, err := os.MkdirTemp("", "ctmpl-nginx-")
	if err != nil {
		return &impossibleError{err}
	}
	defer os.RemoveAll(root)
	if !plainPath.MatchString(root) {
		return &impossibleError{fmt.Errorf("the temporary directory %s cannot be written into a configuration as it is (set TMPDIR)", root)}
	}
	f := &farm{root: root, view: v, copies: make(map[string][]byte), dirs: make(map[string]bool)}
	f.plan(in.conf)
	if err := f.build(); err != nil {
		return &impossibleError{err}
	}
	return d.test(ctx, in, f.inside(filepath.Join(resolve(filepath.Dir(in.conf)), filepath.Base(in.conf))), strings.NewReplacer(root, ""))
}

// plainPath is a path that needs no quotes, and is no pattern.
var plainPath = regexp.MustCompile(`^[\w/.@%+,:-]+$`)

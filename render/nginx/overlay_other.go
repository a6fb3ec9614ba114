//go:build !linux

package nginx

import (
	"context"
	"errors"

	"github.com/ctmpl/ctmpl/render/rollout"
)

func (d *Driver) overlay(context.Context, instance, []rollout.Staged) error {
	return &impossibleError{errors.New("it needs Linux")}
}

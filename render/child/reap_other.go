//go:build !linux

package child

import (
	"context"
	"log/slog"
)

// Reap does nothing here.
func Reap(context.Context, *slog.Logger) {}

package main

import (
	"context"
	"log/slog"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// openState gives the place where good outputs are kept; nil when they are not.
func openState(cfg *config.Config, log *slog.Logger) *rollout.State {
	dir := cfg.StatePath()
	if dir == "" {
		return nil
	}
	state := &rollout.State{Dir: dir, Keep: cfg.History}
	if err := state.Make(); err != nil {
		log.Warn("no good output is kept: there is none to go back to, and what is owed when ctmpl is killed is forgotten; set state_dir, or set it to none",
			"directory", dir, "error", err)
		return nil
	}
	return state
}

// watchRequests follows the files through which other processes ask for something.
func (d *daemon) watchRequests() {
	if d.state != nil {
		d.watcher.Watch("requests", []string{d.state.Requests()}, func(string) { d.serve(d.state) })
	}
}

// serve does what others ask for.
func (d *daemon) serve(state *rollout.State) {
	for _, request := range state.Asked() {
		mine := d.engine.Ask(d.ctx, request.What, request.Target, request.Number, func(text string, err error) {
			reply := rollout.Reply{Text: text}
			if err != nil {
				reply.Error = oneLine(err)
			}
			if err := state.Answer(request, reply); err != nil {
				d.log.Warn("cannot answer a request", "request", request.What, "error", err)
			}
		})
		if mine { // another ctmpl may keep its state here, too
			state.Withdraw(request)
		}
	}
}

// approve lets everything go live that guards hold.
func (d *daemon) approve(ctx context.Context) {
	d.engine.Ask(ctx, render.AskApprove, "", 0, func(string, error) {})
}

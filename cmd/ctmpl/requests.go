package main

import (
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// state is where good outputs are kept; nil when nowhere.
func (d *daemon) state() *rollout.State {
	dir := d.cfg.StatePath()
	if dir == "" || d.flags.dry {
		return nil
	}
	return &rollout.State{Dir: dir, Keep: d.cfg.History}
}

// watchRequests follows the files through which other processes ask for something.
func (d *daemon) watchRequests() {
	if state := d.state(); state != nil {
		d.watcher.Watch("requests", []string{state.Requests()}, func(string) { d.serve(state) })
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
func (d *daemon) approve() {
	d.engine.Ask(d.ctx, render.AskApprove, "", 0, func(string, error) {})
}

package funcs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ctmpl/ctmpl/watch"
)

// nginxUpstream gives the upstream of a service for http: by its name, by a list of its
// instances, or by a name and a list that goes under it. It is nil for a list without
// instances and without a name: nobody knows whose it is. What an instance or the service
// says that cannot be is told in log and status.
func (r *router) nginxUpstream(args ...any) (*Upstream, error) {
	return r.ownUpstream("nginxUpstream", false, args)
}

// nginxStreamUpstream does the same for the stream block.
func (r *router) nginxStreamUpstream(args ...any) (*Upstream, error) {
	return r.ownUpstream("nginxStreamUpstream", true, args)
}

func (r *router) ownUpstream(fn string, stream bool, args []any) (*Upstream, error) {
	s, err := r.settings()
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		if up, ok := args[0].(*Upstream); ok {
			return up, nil
		}
	}
	name, list, err := r.named(fn, args)
	if err != nil || name == "" || r.x.waits() {
		return nil, err
	}
	w := r.wantsOf(name, list, s)
	up, notes, err := upstreamOf(ownNames, name, list, w, stream)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	for _, text := range notes {
		r.x.note(text)
	}
	return up, nil
}

// named reads the arguments: a name, a list, or both.
func (r *router) named(fn string, args []any) (name string, list []*watch.ServiceInstance, err error) {
	wrong := fmt.Errorf("%s: want the name of a service, a list of instances, or both", fn)
	if len(args) == 0 || len(args) > 2 {
		return "", nil, wrong
	}
	name, isName := args[0].(string)
	list, isList := args[len(args)-1].([]*watch.ServiceInstance)
	switch {
	case len(args) == 2 && isName && isList, len(args) == 1 && isList && len(list) == 0:
	case len(args) == 1 && isList:
		name = list[0].Name
	case len(args) == 1 && isName && askable(name):
		list = r.own(name)
	default:
		return "", nil, wrong
	}
	return name, list, nil
}

// own gives the instances of a service, and of no other that Consul takes for it.
func (r *router) own(name string) []*watch.ServiceInstance {
	return slices.DeleteFunc(slices.Clone(r.instances(name)), func(i *watch.ServiceInstance) bool { return i.Name != name })
}

// wantsOf gives what the oldest instance says for the service. What cannot be counts as
// if it were not said: the template has decided that the service is there.
func (r *router) wantsOf(name string, list []*watch.ServiceInstance, s *settings) wants {
	speaker := &watch.ServiceInstance{}
	if len(list) > 0 {
		speaker = slices.MinFunc(list, older)
	}
	w, misplaced, unfit := wantsOf(speaker, s)
	if err := cmp.Or(misplaced, unfit); err != nil {
		r.x.note("service " + quote(name) + ": nothing of its metadata counts: " + err.Error())
		w, _, _ = wantsOf(&watch.ServiceInstance{}, s)
	}
	return w
}

// nginxSplit shares the requests for a service among its versions by the percentage in
// the key PREFIX/NAME/canary. Without one, and without two versions, all get the service
// as it is.
func (r *router) nginxSplit(name string) (*Split, error) {
	s, err := r.settings()
	if err != nil {
		return nil, err
	}
	if !askable(name) {
		return nil, errors.New("nginxSplit: nobody can ask for a service of that name")
	}
	up, err := r.nginxUpstream(name)
	list := r.own(name)
	percent, ok, bad := r.sources(s).percent(name)
	if err != nil || r.x.waits() {
		return nil, err
	}
	if bad != nil {
		r.x.note(bad.Error())
	}
	var made *Split
	if parts := newVersions(ownNames, name, list, r.wantsOf(name, list, s)); parts != nil && ok {
		up, made = parts.of(name, percent, s.key)
	}
	if made == nil {
		made = newSplitOf(ownNames, name, s.key, SplitPart{"*", up})
	}
	return made, nil
}

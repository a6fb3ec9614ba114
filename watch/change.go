package watch

// Change is how an answer changed.
type Change struct {
	// Removals says that an instance of a service left, or is to be reached elsewhere:
	// whoever still uses the answer before sends requests to nowhere.
	Removals bool
}

// place tells an instance of a service from others, and home is where it is.
type (
	place struct{ node, id string }
	home  struct {
		address string
		port    int
	}
)

// removed tells whether an instance of the answer before is not where it was any more.
func removed(before, after any) bool {
	old, ok := before.([]*ServiceInstance)
	if !ok {
		return false
	}
	list, _ := after.([]*ServiceInstance)
	if len(list) < len(old) {
		return true
	}
	for len(old) > 0 && old[0] == list[0] { // the very same mostly, but for one
		old, list = old[1:], list[1:]
	}
	for len(old) > 0 && old[len(old)-1] == list[len(list)-1] {
		old, list = old[:len(old)-1], list[:len(list)-1]
	}
	homes := make(map[place]home, len(list))
	for _, i := range list {
		homes[place{i.Node, i.ID}] = home{i.Address, i.Port}
	}
	for _, i := range old {
		if at, ok := homes[place{i.Node, i.ID}]; !ok || at != (home{i.Address, i.Port}) {
			return true
		}
	}
	return false
}

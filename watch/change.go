package watch

// Change is how an answer changed.
type Change struct {
	// Removals says that an instance of a service left, is not up any more, or is to be
	// reached elsewhere: whoever still uses the answer before sends requests to nowhere.
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
	homes, down := make(map[place]home, len(list)), map[place]bool{}
	for _, i := range list {
		homes[place{i.Node, i.ID}] = home{i.Address, i.Port}
		down[place{i.Node, i.ID}] = Down(i)
	}
	for _, i := range old {
		at := place{i.Node, i.ID}
		if now, ok := homes[at]; !ok || now != (home{i.Address, i.Port}) || down[at] && !Down(i) {
			return true
		}
	}
	return false
}

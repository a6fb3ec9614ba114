package guard

// Known tells whether there is anything live.
func (h *History) Known() bool { return h.known }

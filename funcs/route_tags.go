package funcs

import (
	"errors"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// tagsIn reads tags with commas between them.
func tagsIn(text string) (all tagSet, err error) {
	for tag := range strings.SplitSeq(text, ",") {
		all = append(all, strings.TrimSpace(tag))
	}
	return all, known(all)
}

// known tells whether tags are such that ask for a route.
func known(tags []string) error {
	if slices.ContainsFunc(tags, func(tag string) bool { return !routedTags.has(tag) }) {
		return errors.New("want http, grpc and tcp, or some of them")
	}
	return nil
}

// served gives those of some tags that nginx serves; without any, of all.
func (s *settings) served(tags []string) (some tagSet, err error) {
	for _, tag := range s.serve {
		if len(tags) == 0 || slices.Contains(tags, tag) {
			some = append(some, tag)
		}
	}
	return some, known(tags)
}

// tagsOf gives what tags of the catalog ask for: each has the prefix there.
func (s *settings) tagsOf(tags []string) (all tagSet) {
	for _, tag := range routedTags {
		if slices.Contains(tags, s.tagPrefix+tag) {
			all = append(all, tag)
		}
	}
	return all
}

// withTag gives the instances that have one of the tags.
func (s *settings) withTag(list []*watch.ServiceInstance, tags tagSet) (some []*watch.ServiceInstance) {
	for _, i := range list {
		if s.tagsOf(i.Tags).any(tags) {
			some = append(some, i)
		}
	}
	return some
}

package funcs

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/ctmpl/ctmpl/watch"
)

// groupFuncs are the functions that sort the answers of Consul into groups.
func groupFuncs() template.FuncMap {
	return template.FuncMap{
		"byKey":  byKey,
		"byMeta": byMeta,
		"byPort": byPort,
		"byTag":  byTag,
	}
}

// byKey groups the keys of a tree by the first part of their path; below that
// they are found by the rest of it. Keys without a rest are dropped.
func byKey(pairs []*watch.KeyPair) map[string]map[string]*watch.KeyPair {
	groups := make(map[string]map[string]*watch.KeyPair)
	for _, pair := range pairs {
		top, rest, _ := strings.Cut(pair.Key, "/")
		if rest == "" {
			continue
		}
		if groups[top] == nil {
			groups[top] = make(map[string]*watch.KeyPair)
		}
		relative := *pair // the store's own stays as it is
		relative.Key = rest
		groups[top][rest] = &relative
	}
	return groups
}

// byPort groups the instances of service by port. Nil gives no groups; any other
// type is an error.
func byPort(services any) (map[int][]any, error) {
	groups := make(map[int][]any)
	switch list := services.(type) {
	case nil:
	case []*watch.ServiceInstance:
		for _, s := range list {
			groups[s.Port] = append(groups[s.Port], s)
		}
	default:
		return nil, fmt.Errorf("byPort: want the result of service, got %T", services)
	}
	return groups, nil
}

// byTag groups the result of service or services by tag: an entry is in the group
// of each of its tags. Nil gives no groups; any other type is an error.
func byTag(services any) (map[string][]any, error) {
	groups := make(map[string][]any)
	add := func(tags []string, s any) {
		for _, tag := range tags {
			groups[tag] = append(groups[tag], s)
		}
	}
	switch list := services.(type) {
	case nil:
	case []*watch.ServiceSummary:
		for _, s := range list {
			add(s.Tags, s)
		}
	case []*watch.ServiceInstance:
		for _, s := range list {
			add(s.Tags, s)
		}
	default:
		return nil, fmt.Errorf("byTag: want the result of service or services, got %T", services)
	}
	return groups, nil
}

// byMeta groups instances by the values of their service's metadata. fields is a
// list as in "zone,shard|int"; the name of a group has the values joined with "_",
// and with "_" for each character outside of [a-zA-Z0-9_-]. A field with |int is
// written with at least five digits, so that groups are in numeric order; it is an
// error when it is not an integer. A value that is empty or missing counts as
// "_no_field_", or as 0 for |int.
func byMeta(fields string, services []*watch.ServiceInstance) (map[string][]*watch.ServiceInstance, error) {
	groups := make(map[string][]*watch.ServiceInstance)
	names := strings.Split(fields, ",")
	for _, s := range services {
		parts := make([]string, len(names))
		for i, name := range names {
			part, err := metaPart(name, s.ServiceMeta)
			if err != nil {
				return nil, fmt.Errorf("byMeta: service %s: %w", s.ID, err)
			}
			parts[i] = part
		}
		group := strings.Join(parts, "_")
		groups[group] = append(groups[group], s)
	}
	return groups, nil
}

// metaPart gives what one field adds to the name of a group.
func metaPart(field string, meta map[string]string) (string, error) {
	name, isInt := strings.CutSuffix(field, "|int")
	value := meta[name]
	switch {
	case isInt && value == "":
		value = "00000"
	case isInt:
		n, err := strconv.Atoi(value)
		if err != nil {
			return "", fmt.Errorf("the value of %q is not an integer (%d bytes)", name, len(value))
		}
		value = fmt.Sprintf("%05d", n)
	case value == "":
		value = "_no_" + name + "_"
	}
	return strings.Map(groupRune, value), nil
}

// groupRune keeps the characters that the name of a group may have.
func groupRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
		return r
	}
	return '_'
}

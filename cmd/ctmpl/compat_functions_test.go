package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/funcs"
)

// consulTemplateFunctions are the functions of consul-template v0.41 outside of
// Vault, Nomad and sprig, and importedServices, which is in its documentation alone.
var consulTemplateFunctions = strings.Fields(`
	caLeaf caRoots connect datacenters exportedServices file importedServices key keyExists keyOrDefault ls node nodes partitions peerings
	safeLs safeTree service services tree
	scratch scratch.Get scratch.Key scratch.MapSet scratch.MapSetX scratch.MapValues scratch.Set scratch.SetX
	base64Decode base64Encode base64URLDecode base64URLEncode byKey byMeta byPort byTag contains containsAll containsAny containsNone containsNotAll
	env envOrDefault executeTemplate explode explodeMap hmacSHA256Hex in indent join loop md5sum mergeMap mergeMapWithOverride mustEnv
	parseBool parseFloat parseInt parseJSON parseUint parseYAML plugin regexMatch regexReplaceAll replaceAll sha256Hex sockaddr split splitToMap
	timestamp toJSON toJSONPretty toLower toTOML toTitle toUnescapedJSON toUnescapedJSONPretty toUpper toYAML trim trimPrefix trimSpace trimSuffix
	writeToFile
	add divide maximum minimum modulo multiply subtract
	spew_dump spew_printf spew_sdump spew_sprintf`)

// ownFunctions are those that consul-template does not have: there is nothing to
// compare with.
var ownFunctions = strings.Fields(`
	nginxServer nginxAddress nginxNetwork nginxHost nginxPort nginxWeight nginxWeights nginxInt nginxDuration nginxSize
	nginxName nginxServerName nginxWildcard nginxPath nginxString nginxHeader nginxComment raw configVersion var
	nginxRoutes nginxUpstream nginxStreamUpstream nginxSplit nginxSwitch`)

// TestTemplateCasesUseEachFunction sees to it that there is a case for each function
// that consul-template has: those above, sprig's with their prefix, and those that
// every Go template has. Those that are ours alone are tested in package funcs.
func TestTemplateCasesUseEachFunction(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, c := range templateCases(t) {
		maps.Copy(used, c.functions())
	}
	all := funcs.Names()
	for _, name := range slices.Concat(all, consulTemplateFunctions) {
		if name, _, _ := strings.Cut(name, "."); !slices.Contains(all, name) {
			t.Errorf("ctmpl has no function %s", name)
		}
		alias := slices.Contains(all, "sprig_"+name) && !slices.Contains(consulTemplateFunctions, name)
		if !used[name] && !alias && !slices.Contains(ownFunctions, name) {
			t.Errorf("no case uses %s", name)
		}
	}
}

// functions are the functions that a case uses, and scratch.Get and the like. There
// are none when it is not meant to be parsed.
func (c templateCase) functions() map[string]bool {
	var left, right string
	for i, flag := range c.flags {
		name, value, ok := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if !ok && i+1 < len(c.flags) {
			value = c.flags[i+1]
		}
		switch name {
		case "default-left-delimiter":
			left = value
		case "default-right-delimiter":
			right = value
		}
	}
	used := map[string]bool{}
	trees := map[string]*parse.Tree{}
	tree := parse.New(c.name)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(string(c.text), left, right, trees); err != nil {
		return used
	}
	for _, tree := range trees {
		collect(tree.Root, used)
	}
	return used
}

// collect puts the functions below a node into used.
func collect(node parse.Node, used map[string]bool) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, n := range n.Nodes {
			collect(n, used)
		}
	case *parse.ActionNode:
		collect(n.Pipe, used)
	case *parse.IfNode:
		collectBranch(&n.BranchNode, used)
	case *parse.RangeNode:
		collectBranch(&n.BranchNode, used)
	case *parse.WithNode:
		collectBranch(&n.BranchNode, used)
	case *parse.TemplateNode:
		collect(n.Pipe, used)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, n := range n.Cmds {
			collect(n, used)
		}
	case *parse.CommandNode:
		for _, n := range n.Args {
			collect(n, used)
		}
	case *parse.ChainNode:
		collect(n.Node, used)
		if name, ok := n.Node.(*parse.IdentifierNode); ok {
			used[name.Ident+"."+n.Field[0]] = true
		}
	case *parse.IdentifierNode:
		used[n.Ident] = true
	}
}

func collectBranch(n *parse.BranchNode, used map[string]bool) {
	collect(n.Pipe, used)
	collect(n.List, used)
	collect(n.ElseList, used)
}

package conf

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// rewritten is a text in HCL v1 as HCL v2 wants it, and the way back to the
// places of the original.
type rewritten struct {
	src  []byte
	orig []byte
	// added[i] is where in src the i-th inserted byte stands, ascending.
	added []int
}

// original gives line and column, in the original text, of an offset into src.
func (t rewritten) original(offset int) (line, column int) {
	offset -= sort.SearchInts(t.added, offset)
	before := t.orig[:min(max(offset, 0), len(t.orig))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// fromV1 rewrites what HCL v2 reads differently from v1, and changes nothing else:
// templates in strings are escaped, and several entries on one line are parted.
func fromV1(src []byte) rewritten {
	t := rewritten{src: src, orig: src}
	t.insert(templateMarks(src))
	t.insert(entryBreaks(t.src))
	return t
}

// insertion is text to put in before an offset, or in place of the byte there.
type insertion struct {
	at      int
	text    string
	replace bool
}

// insert applies the insertions, which are ordered, and keeps track of places.
func (t *rewritten) insert(list []insertion) {
	if len(list) == 0 {
		return
	}
	var out []byte
	var added []int
	from := 0
	old := t.added
	for _, in := range list {
		// Earlier insertions move by what this pass has put in before them.
		for len(old) > 0 && old[0] < in.at {
			added = append(added, old[0]+len(out)-from)
			old = old[1:]
		}
		out = append(out, t.src[from:in.at]...)
		from = in.at
		text := in.text
		if in.replace {
			out = append(out, text[0])
			text = text[1:]
			from++
		}
		for i := range text {
			added = append(added, len(out)+i)
		}
		out = append(out, text...)
	}
	for _, at := range old {
		added = append(added, at+len(out)-from)
	}
	sort.Ints(added)
	t.src = append(out, t.src[from:]...)
	t.added = added
}

// templateMarks doubles the first character of ${ and %{ in strings and heredocs,
// which is how HCL v2 writes them literally.
func templateMarks(src []byte) []insertion {
	var marks []insertion
	for i := 0; i < len(src); {
		switch {
		case src[i] == '#' || bytes.HasPrefix(src[i:], []byte("//")):
			i = lineEnd(src, i)
		case bytes.HasPrefix(src[i:], []byte("/*")):
			i = after(src, i+2, "*/")
		case src[i] == '"':
			end := stringEnd(src, i+1)
			marks = append(marks, marksIn(src, i+1, end)...)
			i = end + 1
		case bytes.HasPrefix(src[i:], []byte("<<")):
			start, end := heredoc(src, i)
			marks = append(marks, marksIn(src, start, end)...)
			i = max(end, i+2)
		default:
			i++
		}
	}
	return marks
}

func marksIn(src []byte, from, to int) []insertion {
	var marks []insertion
	for i := from; i+1 < min(to, len(src)); i++ {
		if (src[i] == '$' || src[i] == '%') && src[i+1] == '{' {
			// $${ is HCL v2's own way to write it, which v1 did not know: double both.
			marks = append(marks, insertion{at: i, text: string(src[i])})
		}
	}
	return marks
}

func lineEnd(src []byte, from int) int {
	if n := bytes.IndexByte(src[from:], '\n'); n >= 0 {
		return from + n
	}
	return len(src)
}

func after(src []byte, from int, end string) int {
	if n := bytes.Index(src[min(from, len(src)):], []byte(end)); n >= 0 {
		return from + n + len(end)
	}
	return len(src)
}

// stringEnd is the offset of the closing quote, or of the line's end without one.
func stringEnd(src []byte, from int) int {
	for i := from; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"', '\n':
			return i
		}
	}
	return len(src)
}

// heredoc gives the text of the heredoc whose << stands at the offset.
func heredoc(src []byte, at int) (start, end int) {
	head := lineEnd(src, at)
	marker := bytes.TrimSpace(bytes.TrimPrefix(src[at+2:head], []byte("-")))
	if len(marker) == 0 || head == len(src) {
		return at + 2, at + 2
	}
	for i := head + 1; i < len(src); {
		next := lineEnd(src, i)
		if bytes.Equal(bytes.TrimSpace(src[i:next]), marker) {
			return head + 1, i
		}
		i = next + 1
	}
	return head + 1, len(src)
}

// heredocText gives the text of a heredoc as v1 reads it: <<- takes off the
// indentation of the closing marker if every line has it, and nothing otherwise.
// Line ends are those of Unix.
func heredocText(raw string) string {
	lines := strings.Split(strings.ReplaceAll(raw, "\r\n", "\n"), "\n")
	lines, last := lines[1:len(lines)-1], lines[len(lines)-1]
	indent := last[:len(last)-len(strings.TrimLeft(last, " \t"))]
	if strings.HasPrefix(raw, "<<-") && !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, indent) }) {
		for i := range lines {
			lines[i] = lines[i][len(indent):]
		}
	}
	text := strings.Join(lines, "\n")
	if len(lines) > 0 {
		text += "\n"
	}
	return strings.NewReplacer("$${", "${", "%%{", "%{").Replace(text) // see templateMarks
}

// entryBreaks parts the entries that stand on one line, as v1 allows:
// wait { min = "2s" max = "10s" } and "a/b" = "x" as an entry of a block.
func entryBreaks(src []byte) []insertion {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	b := breaker{tokens: tokens, open: []brace{{block: true}}}
	for i := range tokens {
		b.step(i)
	}
	return b.list
}

// brace is one open bracket: of a block, of an object or of neither.
type brace struct{ block, object bool }

type breaker struct {
	tokens hclsyntax.Tokens
	open   []brace
	list   []insertion
}

func (b *breaker) step(i int) {
	t := b.tokens[i]
	top := b.open[len(b.open)-1]
	switch t.Type {
	case hclsyntax.TokenOBrace:
		b.openBrace(i, top)
	case hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
		b.open = append(b.open, brace{})
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen:
		if top.block && len(b.open) > 1 && !b.afterBreak(i) {
			b.add(t, "\n")
		}
		if len(b.open) > 1 {
			b.open = b.open[:len(b.open)-1]
		}
	case hclsyntax.TokenComma:
		if top.block {
			b.list = append(b.list, insertion{at: t.Range.Start.Byte, text: "\n", replace: true})
		}
	case hclsyntax.TokenIdent, hclsyntax.TokenOQuote:
		if (top.block || top.object) && b.startsEntry(i) && !b.afterBreak(i) {
			b.add(t, "\n")
		}
		if top.block && t.Type == hclsyntax.TokenOQuote && b.startsEntry(i) && b.quotesIdentifier(i) {
			b.unquote(i)
		}
	}
}

// openBrace tells a block from an object. A block with quoted names, which v2
// does not take, is written as an object.
func (b *breaker) openBrace(i int, top brace) {
	isBlock := top.block && i > 0 && (b.tokens[i-1].Type == hclsyntax.TokenIdent || b.tokens[i-1].Type == hclsyntax.TokenCQuote)
	if isBlock && b.hasQuotedNames(i) {
		b.add(b.tokens[i], "= ")
		isBlock = false
	}
	b.open = append(b.open, brace{block: isBlock, object: !isBlock})
	if isBlock && i+1 < len(b.tokens) && !isNewline(b.tokens[i+1]) {
		b.add(b.tokens[i+1], "\n")
	}
}

// hasQuotedNames tells whether an entry of the block that opens at token i has a
// name that only an object can have.
func (b *breaker) hasQuotedNames(i int) bool {
	depth := 0
	for ; i < len(b.tokens); i++ {
		switch b.tokens[i].Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack:
			if depth--; depth == 0 {
				return false
			}
		case hclsyntax.TokenOQuote:
			if depth == 1 && b.startsEntry(i) && !b.quotesIdentifier(i) {
				return true
			}
		}
	}
	return false
}

// quotesIdentifier tells whether the string at token i could stand without quotes.
func (b *breaker) quotesIdentifier(i int) bool {
	return hclsyntax.ValidIdentifier(string(b.tokens[i+1].Bytes))
}

// unquote takes the quotes off the name at token i, which v2 does not take there.
func (b *breaker) unquote(i int) {
	for _, t := range []hclsyntax.Token{b.tokens[i], b.tokens[i+2]} {
		b.list = append(b.list, insertion{at: t.Range.Start.Byte, text: " ", replace: true})
	}
}

// startsEntry tells whether a name at token i begins an entry: name =, name { or
// name "label" {.
func (b *breaker) startsEntry(i int) bool {
	next := i + 1
	if b.tokens[i].Type == hclsyntax.TokenOQuote {
		if next = i + 3; next >= len(b.tokens) || b.tokens[i+2].Type != hclsyntax.TokenCQuote {
			return false // not quote, text, quote
		}
	}
	if next >= len(b.tokens) {
		return false
	}
	switch b.tokens[next].Type {
	case hclsyntax.TokenEqual:
		return true
	case hclsyntax.TokenOBrace:
		return b.tokens[i].Type == hclsyntax.TokenIdent
	}
	return false
}

// afterBreak tells whether token i is the first of its line or of its brackets.
func (b *breaker) afterBreak(i int) bool {
	if i == 0 {
		return true
	}
	prev := b.tokens[i-1]
	return isNewline(prev) || prev.Type == hclsyntax.TokenOBrace || prev.Type == hclsyntax.TokenComma
}

// isNewline tells whether a token ends a line; a comment up to the line's end does.
func isNewline(t hclsyntax.Token) bool {
	return t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n"))
}

func (b *breaker) add(before hclsyntax.Token, text string) {
	at := before.Range.Start.Byte
	if n := len(b.list); n > 0 && b.list[n-1].at == at && !b.list[n-1].replace {
		return // an empty block opens and closes at the same place
	}
	b.list = append(b.list, insertion{at: at, text: text})
}

package funcs

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{toLower "ÄB"}} {{toUpper "äb"}}`, want: "äb ÄB"},
		{text: `{{toTitle "foo-bar o'neil 3d ABC"}}|{{toTitle ""}}`, want: "Foo-Bar O'neil 3D ABC|"},
		{text: `{{trim "!x" "x!a!x"}}|{{trim "" " a"}}`, want: "a| a"},
		{text: `{{trimPrefix "ab" "abab"}}|{{trimSuffix "ab" "abab"}}|{{trimPrefix "x" "a"}}`, want: "ab|ab|a"},
		{text: `{{trimSpace "\t a\n"}}|`, want: "a|"},
		{text: `{{join "," (split ";" "a;b")}}|{{join "," (split ";" "")}}|{{join "," nil}}`, want: "a,b||"},
		{text: `{{join "," "a"}}`, err: `can't handle "a" for arg of type []string`},
		{text: `{{replaceAll "." "_" "a.b.c"}}|{{replaceAll "" "-" "ab"}}`, want: "a_b_c|-a-b-"},
		{text: `{{toLower nil}}`, err: "cannot assign nil to string"},
		{text: `{{toLower 1}}`, err: "expected string; found 1"},
	})
}

func TestSplit(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{split "," "a,b,,c" | printf "%q"}}`, want: `["a" "b" "" "c"]`},
		{text: `{{split "\n" "\nfoo\nbar\n" | printf "%q"}}`, want: `["foo" "bar"]`},
		{text: `{{split "," " a, b " | printf "%q"}}`, want: `["a" " b"]`},
		{text: `{{split "" "aé" | printf "%q"}}`, want: `["a" "é"]`},
		{text: `{{len (split "," " ")}} {{toJSON (split "," "")}}`, want: "0 []"},
		{text: `{{splitToMap "," ":" "b:2,a:1:x,none,a:3"}}`, want: "map[a:3 b:2]"},
		{text: `{{splitToMap "," ":" ""}} {{splitToMap "," "" "a"}} {{splitToMap "," ":" ":v,k:"}}`, want: "map[] map[:a] map[:v k:]"},
		{text: `{{index (splitToMap "\n" "=" " a=1\nb=2\n ") "b"}}`, want: "2"},
	})
}

func TestRegex(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{"foo.bar" | regexMatch "foo([.a-z]+)"}} {{regexMatch "^$" "x"}} {{regexMatch "" ""}}`, want: "true false true"},
		{text: `{{"foo.bar" | regexReplaceAll "foo([.a-z]+)" "$1"}}`, want: ".bar"},
		{text: `{{"ab" | regexReplaceAll "(?P<x>.)" "${x}1$x1"}}`, want: "a1b1"},
		{text: `{{regexMatch "(a" ""}}`, err: "regexMatch: bad regular expression (2 bytes): missing closing )"},
		{text: `{{regexReplaceAll "a**" "" ""}}`, err: "regexReplaceAll: bad regular expression (3 bytes): invalid nested repetition operator"},
	})
}

func TestIndent(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{indent 2 "a\n\n b\n"}}|`, want: "  a\n\n   b\n|"},
		{text: `{{indent 4 ""}}|{{indent 4 "\n\n"}}|{{indent 0 "a\nb"}}`, want: "|\n\n|a\nb"},
		{text: `{{indent 1 "\r\na"}}`, want: " \r\n a"},
		{text: `{{indent -1 "a"}}`, err: "indent: want 0 to 65536 spaces, got -1"},
		{text: `{{indent 9223372036854775807 ""}}`, err: "indent: want 0 to 65536 spaces, got 9223372036854775807"},
		{text: `{{indent (parseInt "2") "a"}}`, err: "wrong type for value; expected int; got int64"},
	})
	if got, err := indent(maxIndent, "a"); err != nil || got != strings.Repeat(" ", maxIndent)+"a" {
		t.Errorf("indent(maxIndent) has %d bytes, error %v", len(got), err)
	}
}

func TestHash(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{base64Encode "hello>?"}} {{base64URLEncode "hello>?"}}`, want: "aGVsbG8+Pw== aGVsbG8-Pw=="},
		{text: `{{base64Decode "aGVsbG8+Pw=="}} {{base64URLDecode "aGVsbG8-Pw=="}}`, want: "hello>? hello>?"},
		{text: `{{base64Decode "aGVs\nbG8="}}|{{base64Decode ""}}`, want: "hello|"},
		{text: `{{base64Decode "aGVsbG8"}}`, err: "base64Decode: illegal base64 data at input byte 4"},
		{text: `{{base64URLDecode "aGV+"}}`, err: "base64URLDecode: illegal base64 data at input byte 3"},
		{text: `{{sha256Hex "bladibla"}}`, want: "54cf4c66bcabb5c20e25331c01dd600b73369e97a947861bd8d3a0e0b8b3d70b"},
		{text: `{{md5sum ""}}`, want: "d41d8cd98f00b204e9800998ecf8427e"},
		// RFC 4231, test case 2
		{text: `{{"Jefe" | hmacSHA256Hex "what do ya want for nothing?"}}`, want: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	})
}

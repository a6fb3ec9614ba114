package funcs

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteToFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want FileWrite
	}{
		{`{{"c" | writeToFile "/d/f" "" "" "0644"}}`, FileWrite{Content: "c", Mode: 0o644, UID: -1, GID: -1}},
		{`{{writeToFile "/d/f" "" "" "400" ""}}`, FileWrite{Mode: 0o400, UID: -1, GID: -1}},
		{`{{writeToFile "/d/f" "" "" "0" "c"}}`, FileWrite{Content: "c", UID: -1, GID: -1}},
		{`{{writeToFile "/d/f" "" "" "7777" "c"}}`, FileWrite{Content: "c", Mode: 0o777, UID: -1, GID: -1}},
		{`{{"c" | writeToFile "/d/f" "root" "root" "0644"}}`, FileWrite{Content: "c", Mode: 0o644}},
		{`{{"c" | writeToFile "/d/f" "100" "" "0644" "append"}}`, FileWrite{Content: "c", Mode: 0o644, UID: 100, GID: os.Getgid(), Append: true}},
		{`{{"c" | writeToFile "/d/f" "" "200" "0644" "append,newline"}}`, FileWrite{Content: "c\n", Mode: 0o644, UID: os.Getuid(), GID: 200, Append: true}},
		{`{{"c" | writeToFile "/d/f" "" "" "0644" "newline"}}`, FileWrite{Content: "c\n", Mode: 0o644, UID: -1, GID: -1}},
		// Flags count with one argument after them, as with consul-template.
		{`{{"c" | writeToFile "/d/f" "" "" "0644" "append" "newline"}}`, FileWrite{Content: "c", Mode: 0o644, UID: -1, GID: -1}},
	} {
		r := &rig{}
		r.check(t, nil, []helperCase{{text: tc.text}})
		tc.want.Path = "/d/f"
		if diff := cmp.Diff([]FileWrite{tc.want}, r.writes); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.text, diff)
		}
	}
}

func TestWriteToFileErrors(t *testing.T) {
	t.Parallel()
	r := &rig{opt: Options{Sandbox: "/srv/box"}}
	r.check(t, nil, []helperCase{
		{text: `{{writeToFile "/srv/box/f" "" "" "0644"}}`, err: "writeToFile: want 5 or 6 arguments, got 4: the content is missing"},
		{text: `{{writeToFile "" "" "" "0644" "c"}}`, err: "writeToFile: the path is empty"},
		{text: `{{writeToFile "/srv/box/f" "" "" "" "c"}}`, err: "writeToFile: the permissions are not an octal number such as 0644"},
		{text: `{{writeToFile "/srv/box/f" "" "" "0o644" "c"}}`, err: "writeToFile: the permissions are not an octal number such as 0644"},
		{text: `{{writeToFile "/srv/box/f" "" "" "-1" "c"}}`, err: "writeToFile: the permissions are not an octal number such as 0644"},
		{text: `{{writeToFile "/srv/box/f" "no-such-user" "" "0644" "c"}}`, err: "writeToFile: there is no such user"},
		{text: `{{writeToFile "/srv/box/f" "" "no-such-group" "0644" "c"}}`, err: "writeToFile: there is no such group"},
		{text: `{{writeToFile "/srv/box/../f" "" "" "0644" "c"}}`, err: `writeToFile: "/srv/box/../f" is outside of sandbox_path`},
		{text: `{{writeToFile "/srv/boxes" "" "" "0644" "c"}}`, err: `writeToFile: "/srv/boxes" is outside of sandbox_path`},
		{text: `{{writeToFile "/srv/box" "" "" "0644" "c"}}`, err: `writeToFile: "/srv/box" is outside of sandbox_path`},
		{text: `{{writeToFile "f" "" "" "0644" "c"}}`, err: `writeToFile: "f" is outside of sandbox_path`},
	})
	if r.writes != nil {
		t.Errorf("written all the same: %v", r.writes)
	}
	r.check(t, nil, []helperCase{{text: `{{writeToFile "/srv/box/d/f" "" "" "0644" "c"}}`}})
	if len(r.writes) != 1 || r.writes[0].Within != "/srv/box" {
		t.Errorf("got %v", r.writes)
	}
}

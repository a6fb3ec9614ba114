package rollout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func TestTheLastGoodOutputsAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, content := range []string{"one", "two", "three", "four", "four"} {
		if out := r.roll(content); len(out.Errs) > 0 {
			t.Fatal(out.Errs)
		}
	}
	all, err := r.target.Record.Generations()
	if err != nil || len(all) != 3 || all[0].Number != 2 || all[2].Number != 4 {
		t.Fatalf("got %+v, %v", all, err)
	}
	files, err := r.target.Record.Restore(2)
	if err != nil || len(files) != 2 || string(files[1].Content) != "two b" || files[1].Mode != 0o640 {
		t.Errorf("got %+v, %v", files, err)
	}
	if _, err := r.target.Record.Restore(1); err == nil || !strings.Contains(err.Error(), "no good output 1") {
		t.Errorf("got %v", err)
	}
	blobs, _ := os.ReadDir(filepath.Join(r.target.Record.dir, "blobs"))
	if len(blobs) != 6 {
		t.Errorf("%d contents are kept", len(blobs))
	}
	_ = filepath.WalkDir(r.state.Dir, func(path string, d fs.DirEntry, err error) error {
		if info, err := d.Info(); err != nil || info.Mode()&0o077 != 0 {
			t.Errorf("others can read %s", path)
		}
		return nil
	})
}

func TestAFileOfATemplateThatIsLeftOutIsCarriedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.roll("one")
	change := Change{Target: r.target, Plan: r.plan, Files: r.files("two")[:1], Templates: []string{r.path("a"), r.path("b")}}
	apply(t.Context(), change)
	if files, err := r.target.Record.Restore(2); err != nil || len(files) != 2 || string(files[0].Content) != "two a" || string(files[1].Content) != "one b" {
		t.Errorf("got %+v, %v", files, err)
	}
	change.Files, change.Templates = r.files("three")[:1], []string{r.path("a")} // b is not configured any more
	apply(t.Context(), change)
	if files, err := r.target.Record.Restore(3); err != nil || len(files) != 1 {
		t.Errorf("got %+v, %v", files, err)
	}
}

func TestDriftIsSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.roll("one")
	if got := r.target.Drift([]string{r.path("a"), r.path("b")}); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	_ = os.WriteFile(r.path("a"), []byte("edited"), 0o644)
	_ = os.Chmod(r.path("b"), 0o600)
	if got := strings.Join(r.target.Drift([]string{r.path("a"), r.path("b")}), ", "); got != r.path("a")+" has another content, "+r.path("b")+" has another mode: 0600, was 0640" {
		t.Errorf("got %q", got)
	}
	_ = os.Remove(r.path("a"))
	if got := r.target.Drift([]string{r.path("a"), r.path("b")}); len(got) != 2 || !strings.HasSuffix(got[0], "is gone") {
		t.Errorf("got %q", got)
	}
}

func TestARecordIsForOneProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.state.Open("edge"); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	other, err := r.state.Open("edge/../edge")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	seen, err := r.state.Look()
	if err != nil || len(seen) != 2 || !seen[0].Open || !seen[1].Open {
		t.Errorf("got %+v, %v", seen, err)
	}
	other.Close()
	servers.Eventually(t, 30*time.Second, func() error { // what another test has just forked has its lock, too
		if seen, err := r.state.Look(); err != nil || seen[0].Open == seen[1].Open {
			return fmt.Errorf("got %+v, %v", seen, err)
		}
		return nil
	})
}

func TestADamagedRecordIsNoReasonToStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.roll("one")
	r.roll("two")
	blobs, _ := os.ReadDir(filepath.Join(r.target.Record.dir, "blobs"))
	for _, b := range blobs {
		_ = os.WriteFile(filepath.Join(r.target.Record.dir, "blobs", b.Name()), []byte("torn"), 0o600)
	}
	if _, err := r.target.Record.Restore(2); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"good-000002.json", "pending.json", "pin.json", "status.json", "request.json"} {
		_ = os.WriteFile(filepath.Join(r.target.Record.dir, name), []byte("{torn"), 0o600)
	}
	r.reopen()
	r.target.Recover(nil)
	if last := r.target.Record.Last(); last == nil || last.Number != 1 {
		t.Errorf("got %+v", last)
	}
	if out := r.roll("three"); len(out.Errs) > 0 {
		t.Error(out.Errs)
	}
	_ = r.said()
	r.live("three")
}

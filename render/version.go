package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/ctmpl/ctmpl/funcs"
)

// setVersion puts the version in the places that configVersion has kept for it: the
// first 16 digits of the SHA-256 of the output with its placeholders, and of the
// files that the template writes beside it, if any.
func (r *Result) setVersion() {
	placeholder, found := []byte(funcs.VersionPlaceholder), false
	sum := sha256.New()
	sum.Write(r.Output)
	for _, f := range r.Writes {
		fmt.Fprintf(sum, "\x00%s\x00%d\x00", f.Path, len(f.Content))
		sum.Write(f.Content)
		found = found || bytes.Contains(f.Content, placeholder)
	}
	if !found && !bytes.Contains(r.Output, placeholder) {
		return // asked for, but not printed
	}
	r.Version = hex.EncodeToString(sum.Sum(nil))[:16]
	r.Output = bytes.ReplaceAll(r.Output, placeholder, []byte(r.Version))
	for i, f := range r.Writes {
		r.Writes[i].Content = bytes.ReplaceAll(f.Content, placeholder, []byte(r.Version))
	}
}

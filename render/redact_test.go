package render

import (
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

// Neither the private key of a certificate nor a line of it is in an error.
func TestErrorsHoldNoPrivateKey(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	store.Put(watch.Query{Kind: watch.KindLeaf, Name: "web"}, &watch.LeafCert{
		Service: "web", PrivateKeyPEM: "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHa+vVV\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----\n",
	})
	for _, text := range []string{
		`{{ with caLeaf "web" }}{{ service .PrivateKeyPEM }}{{ end }}`,
		`{{ with caLeaf "web" }}{{ range split "\n" .PrivateKeyPEM }}{{ peerings . }}{{ end }}{{ end }}`,
		`{{ with caLeaf "web" }}{{ sprig_mustToDate "2006" .PrivateKeyPEM }}{{ end }}`,
		`{{ with caLeaf "web" }}{{ fail (substr 31 40 .PrivateKeyPEM) }}{{ end }}`,
		`{{ with caLeaf "web" }}{{ toJSON . | fail }}{{ end }}`,
	} {
		_, err := mustParse(t, text).Execute(t.Context(), store)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for _, part := range []string{"MHcCAQEE", "Ha+v", "AwEHo"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error holds the key: %v", text, err)
			}
		}
	}
}

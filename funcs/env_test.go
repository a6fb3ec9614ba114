package funcs

import (
	"os"
	"testing"
)

func TestEnv(t *testing.T) {
	t.Setenv("CTMPL_TEST_SET", "Value")
	t.Setenv("CTMPL_TEST_EMPTY", "")
	t.Setenv("CTMPL_TEST_UNSET", "") // puts back what was there
	if err := os.Unsetenv("CTMPL_TEST_UNSET"); err != nil {
		t.Fatal(err)
	}
	checkHelpers(t, nil, []helperCase{
		{text: `{{env "CTMPL_TEST_SET" | toLower}}|{{env "CTMPL_TEST_EMPTY"}}|{{env "CTMPL_TEST_UNSET"}}|{{env ""}}|{{env "A=B"}}`, want: "value||||"},
		{text: `{{or (env "CTMPL_TEST_EMPTY") "12345"}}`, want: "12345"},
		{text: `{{envOrDefault "CTMPL_TEST_SET" "d"}}|{{envOrDefault "CTMPL_TEST_EMPTY" "d"}}|{{envOrDefault "CTMPL_TEST_UNSET" "d"}}`, want: "Value||d"},
		{text: `{{mustEnv "CTMPL_TEST_SET"}}`, want: "Value"},
		{text: `{{mustEnv "CTMPL_TEST_EMPTY"}}`, err: `mustEnv: the environment variable "CTMPL_TEST_EMPTY" is empty or not set`},
		{text: `{{mustEnv "CTMPL_TEST_UNSET"}}`, err: `mustEnv: the environment variable "CTMPL_TEST_UNSET" is empty or not set`},
		{text: `{{mustEnv "a\nb"}}`, err: `mustEnv: the environment variable "a\nb" is empty or not set`},
		{text: `{{env nil}}`, err: "cannot assign nil to string"},
	})
}

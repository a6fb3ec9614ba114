package funcs

import (
	"strings"
	"testing"
)

// impure are the functions that have to be called each time. Whoever adds a function
// decides: to this list belongs what depends on time, chance or the machine, has an
// effect, or knows more of the execution than its arguments.
var impure = setOf(`ago bcrypt call configVersion durationRound encryptAES executeTemplate genCA genCAWithKey genPrivateKey
	genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey htpasswd nginxRoutes nginxSplit nginxStreamUpstream nginxUpstream plugin randInt scratch shuffle
	sockaddr spew_dump spew_printf spew_sdump spew_sprintf timestamp writeToFile`)

func TestEachFunctionIsPureOrNot(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range Names() {
		plain := strings.TrimPrefix(name, "sprig_")
		known[plain] = true
		if Pure(name) == impure[plain] {
			t.Errorf("%s has to be in one of the lists, pure or impure", name)
		}
	}
	for name := range queryFuncs(nil, "") {
		if !Asks(name) {
			t.Errorf("%s asks a query", name)
		}
	}
	for _, set := range []map[string]bool{pure, queries, impure} {
		for name := range set {
			if !known[name] {
				t.Errorf("%s is in a list, and no function", name)
			}
		}
	}
}

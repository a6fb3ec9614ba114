package funcs

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// The names are ours alone: neither consul-template, sprig nor Go has them.
func TestNginxNamesAreFree(t *testing.T) {
	t.Parallel()
	for name := range nginxFuncs(nil) {
		if _, taken := helpers()[name]; taken || slices.Contains(builtins, name) || Later(name) {
			t.Errorf("%s is taken", name)
		}
	}
}

var nginxInstances = map[string]*watch.ServiceInstance{
	"web": {
		Node: "n1", ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 8080, Status: watch.StatusPassing,
		Weights: api.AgentWeights{Passing: 10}, ServiceMeta: map[string]string{"port": "9000"},
	},
	"warning":  {Address: "10.0.0.2", Port: 80, Status: watch.StatusWarning, Weights: api.AgentWeights{Passing: 10}},
	"portless": {Node: "n1", ID: "web-1", Name: "web", Address: "10.0.0.1"},
	"named":    {Node: "n1", ID: "web-1", Name: "web", Address: "web.example.com", Port: 80},
}

func TestNginxFunctions(t *testing.T) {
	t.Parallel()
	data := map[string]any{
		"ServiceNode": &watch.NodeService{Address: "10.0.0.3", Port: 81},
		"huge":        uint64(math.MaxUint64), "inf": math.Inf(1), "nan": math.NaN(), "duration": 90 * time.Second,
		"list": []*watch.ServiceInstance{nginxInstances["web"], {Status: watch.StatusPassing, Weights: api.AgentWeights{Passing: 4}}},
	}
	for name, i := range nginxInstances {
		data[name] = i
	}
	for _, c := range []struct{ text, want string }{
		{`nginxServer .web`, "10.0.0.1:8080"},
		{`nginxServer .web .web.ServiceMeta.port`, "10.0.0.1:9000"},
		{`nginxServer .ServiceNode`, "10.0.0.3:81"},
		{`nginxServer "2001:DB8::1" 80`, "[2001:db8::1]:80"},
		{`nginxServer "127.0.0.1" "80"`, "127.0.0.1:80"},
		{`nginxServer "::ffff:10.0.0.1" 80.0`, "10.0.0.1:80"},
		{`nginxServer .named`, "! want an IP address"},
		{`nginxServer .portless`, "! want a port"},
		{`nginxServer "10.0.0.1"`, "! want a port behind"},
		{`nginxServer "10.0.0.1" 80 81`, "! too many arguments"},
		{`nginxServer 1 2`, "! want an instance"},
		{`nginxAddress "::1"`, "[::1]"},
		{`nginxAddress "10.1.2.3"`, "10.1.2.3"},
		{`nginxAddress ""`, "! the address is empty"},
		{`nginxAddress "fe80::1%eth0"`, "! zone"},
		{`nginxAddress "fe80::1"`, "! link-local"},
		{`nginxAddress "169.254.169.254"`, "! link-local"},
		{`nginxAddress "::ffff:169.254.169.254"`, "! link-local"},
		{`nginxAddress "0.0.0.0"`, "! unspecified"},
		{`nginxAddress "0.1.2.3"`, "! unspecified"},
		{`nginxAddress "::"`, "! unspecified"},
		{`nginxAddress "224.0.0.1"`, "! many hosts"},
		{`nginxAddress "ff02::1"`, "! many hosts"},
		{`nginxAddress "255.255.255.255"`, "! many hosts"},
		{`nginxAddress "0"`, "! want an IP address"},
		{`nginxAddress "2130706433"`, "! want an IP address"},
		{`nginxAddress "010.0.0.1"`, "! want an IP address"},
		{`nginxAddress "unix:/var/run/docker.sock"`, "! want an IP address"},
		{`nginxHost "api.example.com"`, "api.example.com"},
		{`nginxHost "localhost"`, "localhost"},
		{`nginxHost "::1"`, "[::1]"},
		{`nginxHost "127.1"`, "! neither"},
		{`nginxHost "0x7f000001"`, "! neither"},
		{`nginxHost "2130706433"`, "! neither"},
		{`nginxHost "169.254.169.254"`, "! neither"},
		{`nginxHost "API.example.com"`, "! neither"},
		{`nginxHost "a_b.example.com"`, "! neither"},
		{`nginxHost ""`, "! neither"},
		{`nginxNetwork "10.1.2.3/8"`, "10.0.0.0/8"},
		{`nginxNetwork "2001:db8::1"`, "2001:db8::1"},
		{`nginxNetwork "0.0.0.0/0"`, "! want an IP address"},
		{`nginxNetwork "all"`, "! want an IP address"},
		{`nginxPort 1`, "1"},
		{`nginxPort "65535"`, "65535"},
		{`nginxPort 0`, "! want a port"},
		{`nginxPort 65536`, "! want a port"},
		{`nginxPort "80 default_server"`, "! want a port"},
		{`nginxPort "+80"`, "! want a port"},
		{`nginxPort .nothing`, "! want a port"},
		{`nginxWeight 5`, "5"},
		{`nginxWeight "7"`, "7"},
		{`nginxWeight 0`, "1"},
		{`nginxWeight "-3"`, "1"},
		{`nginxWeight "99999999999"`, "1000"},
		{`nginxWeight "99999999999999999999999999"`, "1000"},
		{`nginxWeight .huge`, "1000"},
		{`nginxWeight .inf`, "1000"},
		{`nginxWeight .nan`, "! want a whole number"},
		{`nginxWeight "1.5"`, "! want a whole number"},
		{`nginxWeight 1.5`, "! want a whole number"},
		{`nginxWeight ""`, "! want a whole number"},
		{`nginxWeight "1 backup"`, "! want a whole number"},
		{`nginxWeight .web`, "10"},
		{`nginxWeight .warning`, "1"},
		{`nginxWeights .list`, "[5 2]"},
		{`nginxWeights (sprig_list 100 "100" 0)`, "[100 100 1]"},
		{`nginxWeights (sprig_list 100 100)`, "[1 1]"},
		{`nginxWeights (sprig_list)`, "[]"},
		{`nginxWeights 3`, "! want a list"},
		{`nginxWeights (sprig_list "x")`, "! want a whole number"},
		{`nginxInt "3"`, "3"},
		{`nginxInt -1`, "! want a whole number"},
		{`nginxInt "2147483648"`, "! want a whole number"},
		{`nginxDuration "1m30s"`, "90s"},
		{`nginxDuration "1.5s"`, "1500ms"},
		{`nginxDuration "250ms"`, "250ms"},
		{`nginxDuration 5`, "5s"},
		{`nginxDuration "5"`, "5s"},
		{`nginxDuration .duration`, "90s"},
		{`nginxDuration .inf`, "! want a time"},
		{`nginxDuration "-5s"`, "! want a time"},
		{`nginxDuration "1us"`, "! want a time"},
		{`nginxDuration "5s; x"`, "! want a time"},
		{`nginxSize "10m"`, "10m"},
		{`nginxSize 1024`, "1024"},
		{`nginxSize -1`, "! want a size"},
		{`nginxSize "10t"`, "! want a size"},
		{`nginxSize "999999999999g"`, "! want a size"},
		{`nginxSize "999999999999m"`, "999999999999m"},
		{`nginxName "web-1.v2_x"`, "web-1.v2_x"},
		{`nginxName "_web"`, "_web"},
		{`nginxName "Web"`, "! want a name"},
		{`nginxName "-web"`, "! want a name"},
		{`nginxName ""`, "! want a name"},
		{`nginxName "a{"`, "! want a name"},
		{`nginxName (repeat 254 "a")`, "! want a name"},
		{`nginxServerName "www.example.com"`, "www.example.com"},
		{`nginxServerName "a.com bank.example.com"`, "! want one host name"},
		{`nginxServerName "~.*"`, "! want one host name"},
		{`nginxServerName "*.example.com"`, "! want one host name"},
		{`nginxServerName "a..b"`, "! want one host name"},
		{`nginxServerName "-a.com"`, "! want one host name"},
		{`nginxServerName "a.com."`, "! want one host name"},
		{`nginxServerName (repeat 64 "a")`, "! want one host name"},
		{`nginxWildcard "*.example.com"`, "*.example.com"},
		{`nginxWildcard "www.example.com"`, "www.example.com"},
		{`nginxWildcard "*.com"`, "! want one host name"},
		{`nginxWildcard "*.*.com"`, "! want one host name"},
		{`nginxWildcard "*"`, "! want one host name"},
		{`nginxPath "/"`, "/"},
		{`nginxPath "/api/v1/"`, "/api/v1/"},
		{`nginxPath "api"`, "! want a path"},
		{`nginxPath "/a/../b"`, "! want a path"},
		{`nginxPath "/.."`, "! want a path"},
		{`nginxPath "//a"`, "! want a path"},
		{`nginxPath "//"`, "! want a path"},
		{`nginxPath "/a b"`, "! want a path"},
		{`nginxPath "/a{"`, "! want a path"},
		{`nginxString "a \\ \" ; { } # ü"`, `"a \\ \" ; { } # ü"`},
		{`nginxString ""`, `""`},
		{`nginxString "$x"`, "! has a $"},
		{`nginxString "~.*"`, "! regular expression"},
		{`nginxString "a\nb"`, "! line break"},
		{`nginxString (repeat 4000 "a")`, "! longer"},
		{`nginxHeader "$http_authorization"`, `"${dollar}http_authorization"`},
		{`nginxHeader "a\\r\\nSet-Cookie: x=1"`, `"a\\r\\nSet-Cookie: x=1"`},
		{`nginxHeader "a\"; return 302 /; add_header Y \"b"`, `"a\"; return 302 /; add_header Y \"b"`},
		{`nginxHeader "a\r\nb"`, "! line break"},
		{`nginxHeader "a\x00b"`, "! line break"},
		{`nginxComment "web-1; {"`, "# web-1; {"},
		{`nginxComment "a\nserver {}"`, "! line break"},
		{`nginxComment (repeat 1001 "a")`, "! longer"},
		{`raw "a; b"`, "a; b"},
		{`raw 1`, "1"},
		{`raw .nothing`, "! there is no value"},
	} {
		got, err := nginxText(c.text, data)
		reason, fails := strings.CutPrefix(c.want, "! ")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), reason)):
			t.Errorf("%s: got %q, %v, want an error with %q", c.text, got, err, reason)
		case !fails && (err != nil || got != c.want):
			t.Errorf("%s: got %q, %v, want %q", c.text, got, err, c.want)
		}
		name, _, _ := strings.Cut(c.text, " ")
		if err != nil && !strings.Contains(err.Error(), "error calling "+name+": "+name+": ") {
			t.Errorf("%s: the error does not begin with the function: %v", c.text, err)
		}
	}
}

func nginxText(text string, data any) (string, error) {
	tmpl, err := template.New("t").Option("missingkey=zero").Funcs(Map(&Execution{}, Options{})).Parse("{{ " + text + " }}")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tmpl.Execute(&b, data)
	return b.String(), err
}

// What is refused may be a secret, so it is in no error; whose it is, is known apart.
func TestNginxErrorsHideValues(t *testing.T) {
	t.Parallel()
	const secret = "hunter2 secret\n"
	for name := range nginxFuncs(nil) {
		if name == "raw" {
			continue
		}
		arg := ` .`
		switch name {
		case "nginxServer":
			arg = ` . 80`
		case "nginxWeights":
			arg = ` (sprig_list .)`
		}
		_, err := nginxText(name+arg, secret)
		refused, ok := errors.AsType[*ValueError](err)
		if !ok || strings.Contains(err.Error(), "hunter2") || refused.Value != secret || refused.Function != name {
			t.Errorf("%s: got %v, %+v", name, err, refused)
		}
	}
	_, err := nginxText(`nginxServer .`, nginxInstances["named"])
	if refused, _ := errors.AsType[*ValueError](err); refused == nil || refused.Of != `service "web", instance "web-1" on node "n1"` {
		t.Errorf("got %v", err)
	}
	hostile := Whose(&watch.ServiceInstance{Name: "a\nb", ID: strings.Repeat("x", 1000), Node: `"`})
	if strings.Contains(hostile, "\n") || len(hostile) > 200 {
		t.Errorf("got %s", hostile)
	}
}

// While an answer is missing nothing is refused, so that the next missing one is found.
func TestNginxWaits(t *testing.T) {
	t.Parallel()
	waiting := true
	x := &Execution{Waiting: func() bool { return waiting }}
	tmpl := template.Must(template.New("t").Funcs(Map(x, Options{})).Parse(`{{ nginxPort "" }}{{ nginxName "" }}{{ nginxServer "" 0 }}`))
	if err := tmpl.Execute(&bytes.Buffer{}, nil); err != nil {
		t.Errorf("got %v", err)
	}
	waiting = false
	if err := tmpl.Execute(&bytes.Buffer{}, nil); err == nil {
		t.Error("nothing is refused")
	}
}

func TestConfigVersionIsNoted(t *testing.T) {
	t.Parallel()
	x := &Execution{}
	tmpl := template.Must(template.New("t").Funcs(Map(x, Options{})).Parse("{{ configVersion }}"))
	var b bytes.Buffer
	if err := tmpl.Execute(&b, nil); err != nil || b.String() != VersionPlaceholder || !x.Versioned {
		t.Errorf("got %q, %v, %v", b.String(), err, x.Versioned)
	}
	if _, err := nginxServerName(VersionPlaceholder); err != nil {
		t.Errorf("it does not fit where a name does: %v", err)
	}
}

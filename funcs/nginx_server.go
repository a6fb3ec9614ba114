package funcs

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// nginxServer gives address and port for a server of an upstream, as in
// 10.0.0.1:8080 or [2001:db8::1]:8080. v is an instance of a service, as service or
// node lists it, or an address. An address needs a port; with an instance it goes
// before the instance's own.
func nginxServer(v any, port ...any) (Nginx, error) {
	if len(port) > 1 {
		return "", errors.New("nginxServer: too many arguments, want an instance, or an address and a port")
	}
	var host, of string
	switch v := v.(type) {
	case *watch.ServiceInstance:
		host, of, port = v.Address, Whose(v), append(port, v.Port)
	case *watch.NodeService:
		host, port = v.Address, append(port, v.Port)
	case string:
		host = v
	default:
		return "", errors.New("nginxServer: want an instance of a service, or an address and a port")
	}
	if len(port) == 0 {
		return "", errors.New("nginxServer: want a port behind the address")
	}
	addr, reason := parseAddress(host)
	if reason != "" {
		return "", &ValueError{Function: "nginxServer", Reason: reason, Value: host, Of: of}
	}
	n, reason := parsePort(port[0])
	if reason != "" {
		return "", &ValueError{Function: "nginxServer", Reason: reason, Value: textOf(port[0]), Of: of}
	}
	return Nginx(bracketed(addr) + ":" + strconv.Itoa(n)), nil
}

// nginxAddress gives an IP address, that of version 6 in brackets.
func nginxAddress(s string) (Nginx, error) {
	addr, reason := parseAddress(s)
	if reason != "" {
		return "", &ValueError{Function: "nginxAddress", Reason: reason, Value: s}
	}
	return Nginx(bracketed(addr)), nil
}

// nginxHost gives an IP address, that of version 6 in brackets, or a host name.
// nginx looks a name up each time it reads its configuration, and waits for that.
func nginxHost(s string) (Nginx, error) {
	addr, reason := parseAddress(s)
	if reason == "" {
		return Nginx(bracketed(addr)), nil
	}
	// Resolvers read 2130706433, 127.1 and 0x7f000001 as addresses.
	last := s[strings.LastIndexByte(s, '.')+1:]
	if !isHostName(s) || last[0] < 'a' {
		return "", &ValueError{Function: "nginxHost", Reason: "it is neither a host name in lower case nor an IP address that may be used", Value: s}
	}
	return Nginx(s), nil
}

// nginxNetwork gives an IP address or a network such as 10.0.0.0/8, without
// brackets, for allow, deny, geo and set_real_ip_from. The whole internet, which
// would allow all, is refused.
func nginxNetwork(s string) (Nginx, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && !addr.IsUnspecified() {
		return Nginx(addr.Unmap().String()), nil
	}
	network, err := netip.ParsePrefix(s)
	if err != nil || network.Bits() == 0 || network.Addr().Is4In6() {
		return "", &ValueError{Function: "nginxNetwork", Reason: "want an IP address, or a network such as 10.0.0.0/8", Value: s}
	}
	return Nginx(network.Masked().String()), nil
}

// nginxPort gives a port.
func nginxPort(v any) (int, error) {
	n, reason := parsePort(v)
	if reason != "" {
		return 0, &ValueError{Function: "nginxPort", Reason: reason, Value: textOf(v)}
	}
	return n, nil
}

func parsePort(v any) (port int, reason string) {
	n, ok := whole(v)
	if !ok || n < 1 || n > 65535 {
		return 0, "want a port, 1 to 65535"
	}
	return int(n), ""
}

// thisNetwork are the addresses that mean the sender itself (RFC 1122, 3.2.1.3).
var thisNetwork = netip.MustParsePrefix("0.0.0.0/8")

// parseAddress reads an address that requests may be sent to, or says why it is
// none. Link-local ones lead to the metadata service of a cloud. Loopback ones are
// those of a sidecar.
func parseAddress(s string) (addr netip.Addr, reason string) {
	if s == "" {
		return addr, "the address is empty"
	}
	addr, err := netip.ParseAddr(s)
	addr = addr.Unmap()
	switch {
	case err != nil:
		return addr, "want an IP address (nginxHost takes a host name)"
	case addr.Zone() != "":
		return addr, "the address has a zone"
	case addr.IsUnspecified() || thisNetwork.Contains(addr):
		return addr, "the address is the unspecified one"
	case addr.IsLinkLocalUnicast():
		return addr, "the address is a link-local one"
	case addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return addr, "the address is that of many hosts"
	}
	return addr, ""
}

func bracketed(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

package main

import (
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// refusals counts the answers with status 429 of one port. Consul has neither a log
// nor a metric of the connections that it refuses, so the packets are counted: by a
// filter in the kernel, which gives nothing else to anybody.
type refusals struct{ fd int }

// countRefusals begins to count. It needs the right to see packets, as root has it.
// What goes through TLS cannot be told.
func countRefusals(port int) (*refusals, error) {
	network := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // nothing before there is a filter
	if err != nil {
		return nil, fmt.Errorf("count refused requests: %w", err)
	}
	loopback, err := net.InterfaceByName("lo")
	if err == nil {
		filter := refusalFilter(port)
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: loopback.Index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("count refused requests: %w", err)
	}
	return &refusals{fd}, nil
}

// stop gives how many there were.
func (r *refusals) stop() int {
	defer unix.Close(r.fd)
	stats, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return int(stats.Packets) // with those that nobody has read
}

// refusalFilter takes IPv4 packets from a TCP port whose data begins with the status
// line of a refusal (bpf(4) has the instructions).
func refusalFilter(port int) []unix.SockFilter {
	const drop = 255 // a jump to the end, once its distance is known
	is := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: drop}
	}
	load := func(size uint16, mode uint16, at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | size | mode, K: at}
	}
	alu := func(op uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_ALU | op, K: k} }
	word := func(text string) uint32 { return binary.BigEndian.Uint32([]byte(text)) }
	list := []unix.SockFilter{
		load(unix.BPF_B, unix.BPF_ABS, 9), is(unix.IPPROTO_TCP),
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH}, // X is the length of the IP header
		load(unix.BPF_H, unix.BPF_IND, 0), is(uint32(port)),
		load(unix.BPF_B, unix.BPF_IND, 12), alu(unix.BPF_AND|unix.BPF_K, 0xf0), alu(unix.BPF_RSH|unix.BPF_K, 2), // the length of the TCP header
		alu(unix.BPF_ADD|unix.BPF_X, 0), {Code: unix.BPF_MISC | unix.BPF_TAX}, // X is where the data begins
		load(unix.BPF_W, unix.BPF_IND, 0), is(word("HTTP")),
		load(unix.BPF_W, unix.BPF_IND, 8), is(word(" 429")),
		{Code: unix.BPF_RET | unix.BPF_K, K: 1}, // one byte is enough to be counted
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	for i := range list {
		if list[i].Jf == drop {
			list[i].Jf = uint8(len(list) - 1 - (i + 1))
		}
	}
	return list
}

package servers

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// The ports lie below those that the kernel gives to outgoing connections (32768
// and up on Linux), which could otherwise take a port between the check and its
// use, and above Consul's range for sidecar proxies (21000-21255). They are
// given out in blocks: a process holds a block by listening on its first port,
// so that two processes never share one, and the kernel gives the block back
// when the process ends.
const (
	firstPort  = 22000
	blockSize  = 64
	blockCount = 125 // up to 29999
	// maxBlocks is what one process takes, so that others find some too.
	maxBlocks = 16
)

// FreePort gives a port that nobody listens on, neither TCP nor UDP, and that no other process using this package is given as long as
// this one lives. This process is given it again after a thousand others, if
// nobody listens on it then.
func FreePort() (int, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// FreePorts gives n different ports, each as FreePort gives it.
func FreePorts(n int) ([]int, error) { return ports.take(n) }

var ports portPool

// portPool gives out the ports of the blocks that this process holds, one after
// the other.
type portPool struct {
	mu     sync.Mutex
	blocks []net.Listener // on the first port of each block
	ports  []int          // of all blocks, without the first ones
	next   int            // index of the port to look at next
}

func (p *portPool) take(n int) ([]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var taken []int
	for range maxBlocks * blockSize { // beyond that nothing is free
		if len(taken) == n {
			return taken, nil
		}
		if p.next == len(p.ports) {
			if err := p.more(); err != nil {
				return nil, err
			}
		}
		if port := p.ports[p.next]; isFree(port) {
			taken = append(taken, port)
		}
		p.next++
	}
	return nil, fmt.Errorf("find %d free ports: this process uses all that it may", n)
}

// more takes hold of one more block, or goes back to the first port when there
// are enough of them.
func (p *portPool) more() error {
	if len(p.blocks) < maxBlocks {
		if p.grow() {
			return nil
		}
		if len(p.blocks) == 0 {
			return fmt.Errorf("find a free port: other processes hold all of %d-%d", firstPort, firstPort+blockSize*blockCount-1)
		}
	}
	p.next = 0
	return nil
}

// grow takes hold of one more block. The search starts at a block that depends on
// the process, so that runs one after the other use different ports.
func (p *portPool) grow() bool {
	start := os.Getpid() % blockCount
	for i := range blockCount {
		first := firstPort + (start+i)%blockCount*blockSize
		hold, err := net.Listen("tcp4", loopback(first))
		if err != nil {
			continue
		}
		p.blocks = append(p.blocks, hold)
		for port := first + 1; port < first+blockSize; port++ {
			p.ports = append(p.ports, port)
		}
		return true
	}
	return false
}

// isFree says whether nobody has the port: on 127.0.0.1, and, where binding it on all
// addresses tells of that, on those of a cluster.
func isFree(port int) bool {
	for _, ip := range [][4]byte{{127, 0, 0, 1}, {}} {
		if !canBind(ip, port, syscall.SOCK_STREAM) || !canBind(ip, port, syscall.SOCK_DGRAM) {
			return false
		}
	}
	return true
}

// canBind says whether a server could take the port. It binds and does not
// listen: a child that is forked right now keeps a copy of the socket for a
// moment, which would be in the way of a server that listens on the port next. A
// bound TCP socket with SO_REUSEADDR is not, and fails to bind where somebody
// listens.
func canBind(ip [4]byte, port, kind int) bool {
	syscall.ForkLock.RLock() // no fork before close-on-exec is set
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(syscall.AF_INET, kind, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	syscall.CloseOnExec(fd)
	if kind == syscall.SOCK_STREAM {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			return false
		}
	}
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: ip}) == nil
}

// loopback gives the address of a port on 127.0.0.1.
func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

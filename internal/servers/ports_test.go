package servers

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"sync"
	"testing"
)

func TestFreePortsAreAllDifferent(t *testing.T) {
	t.Parallel()
	var pool portPool
	defer pool.release()
	var (
		mu    sync.Mutex
		seen  = map[int]bool{}
		group sync.WaitGroup
	)
	for range 8 {
		group.Go(func() {
			got, err := pool.take(20) // together more than two blocks
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(got) != 20 {
				t.Errorf("got %v, %v", got, err)
			}
			for _, port := range got {
				if seen[port] {
					t.Errorf("port %d was given twice", port)
				}
				seen[port] = true
			}
		})
	}
	group.Wait()
}

func TestFreePortsDoNotRunOut(t *testing.T) {
	t.Parallel()
	var pool portPool
	defer pool.release()
	for range 3 * maxBlocks {
		if _, err := pool.take(blockSize); err != nil {
			t.Fatal(err)
		}
	}
	if len(pool.blocks) != maxBlocks {
		t.Errorf("holds %d blocks, want %d", len(pool.blocks), maxBlocks)
	}
	if got, err := pool.take(maxBlocks * blockSize); err == nil {
		t.Errorf("gave %d ports, more than there are", len(got))
	}
}

// Two pools stand for two processes.
func TestFreePortsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	var a, b portPool
	defer a.release()
	defer b.release()
	seen := map[int]bool{}
	for range 2 * blockSize {
		for _, pool := range []*portPool{&a, &b} {
			got, err := pool.take(1)
			if err != nil {
				t.Fatal(err)
			}
			if seen[got[0]] {
				t.Fatalf("port %d was given twice", got[0])
			}
			seen[got[0]] = true
		}
	}
}

func TestFreePortSkipsTakenOnes(t *testing.T) {
	t.Parallel()
	var pool portPool
	defer pool.release()
	first, err := pool.take(1)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("udp4", loopback(first[0]+1))
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	anywhere, err := net.Listen("tcp", fmt.Sprintf(":%d", first[0]+2))
	if err != nil {
		t.Fatal(err)
	}
	defer anywhere.Close()
	second, err := pool.take(1)
	if err != nil {
		t.Fatal(err)
	}
	if second[0] != first[0]+3 {
		t.Errorf("got %d after %d, want the two taken ports left out", second[0], first[0])
	}
}

// A child that is being forked while a port is checked would hold it.
func TestFreePortIsFreeWhileOthersFork(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	defer close(done)
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	for range 500 {
		listener, port, err := listen()
		if err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		listener.Close()
	}
}

func (p *portPool) release() {
	for _, block := range p.blocks {
		block.Close()
	}
}

// TestFreePortOfAnyAddress has somebody listen where a node of a cluster would.
func TestFreePortOfAnyAddress(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has 127.0.0.2 without more ado")
	}
	taken, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if port := taken.Addr().(*net.TCPAddr).Port; isFree(port) {
		t.Errorf("port %d is free though it is taken on 127.0.0.2", port)
	}
}

package guard

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// BenchmarkMemory tells what a failure and a visit take.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}) }
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for name, fill := range map[string]func(g *Guard, i int){
		"failure": func(g *Guard, i int) {
			g.Failed(Failure{Client: client(i), Login: fmt.Sprintf("user%d@one.example", i), Digest: 1, Seen: true})
		},
		"visit": func(g *Guard, i int) { g.Passed(client(i), fmt.Sprintf("user%d@one.example", i/4), "", true) },
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				before := heap()
				g := New(Options{Rules: Default(), Now: time.Now, Draw: never, Device: called, Act: func(Action) {}})
				for i := range n {
					fill(g, i)
				}
				clear(g.changed)
				clear(g.visited)
				b.ReportMetric(float64(heap()-before)/n, "octets/"+name)
				runtime.KeepAlive(g)
			}
		})
	}
}

// BenchmarkAttempt is what the guard costs a login: one that passes, and one of a spray.
func BenchmarkAttempt(b *testing.B) {
	g := New(Options{Rules: Default(), Now: time.Now, Draw: never, Device: called, Act: func(Action) {}})
	office := netip.MustParseAddr("192.0.2.1")
	b.Run("passed", func(b *testing.B) {
		for range b.N {
			if g.Enter(office, "ann@one.example", "") == nil {
				g.Passed(office, "ann@one.example", "", true)
				g.Leave(office, "ann@one.example", "")
			}
		}
	})
	b.Run("failed", func(b *testing.B) {
		for i := range b.N {
			client := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
			if g.Enter(client, "ann@one.example", "") == nil {
				g.Failed(Failure{Client: client, Login: "ann@one.example", Digest: uint16(i), Seen: true})
				g.Leave(client, "ann@one.example", "")
			}
		}
	})
}

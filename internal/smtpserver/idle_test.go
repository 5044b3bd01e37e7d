package smtpserver

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// BenchmarkIdleSession opens authenticated sessions over TLS, lets them idle
// and reports what one costs the server in heap and stack. The client's side
// is thrown away but for its socket.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 200
	var perSession float64
	for b.Loop() {
		perSession = idleBytes(b, sessions)
	}
	b.ReportMetric(perSession, "B/session")
}

// idleBytes returns the octets of memory per idle session.
func idleBytes(b *testing.B, n int) float64 {
	limits := testLimits()
	limits.MaxPerPrefix = 0
	srv := New(Options{Hostname: "mx.test", Backend: &double{}, Limits: limits})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l, ListenerConfig{Name: "idle", Kind: Submissions, TLS: testTLS})
	}()
	defer func() {
		srv.Close()
		<-done
	}()
	before := memoryInUse()
	var sockets []net.Conn
	defer func() {
		for _, s := range sockets {
			s.Close()
		}
	}()
	for range n {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		raw.SetDeadline(time.Now().Add(time.Minute))
		c := &client{t: b, raw: raw}
		c.startTLS()
		c.play("< 220\n> EHLO c.test\n< 250\n> AUTH PLAIN AHVzZXIAc2VjcmV0\n< 235")
		sockets = append(sockets, raw)
	}
	return float64(memoryInUse()-before) / float64(n)
}

// memoryInUse returns the octets of heap and stack after collecting garbage.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

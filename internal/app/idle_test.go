package app

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/sink"
)

// counted returns a URL by which a database is reached, and the count of what is
// asked of it that way: how often something is sent to the server.
func counted(t *testing.T, database string) (string, *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name := ".s.PGSQL." + u.Query().Get("port")
	real, folder := filepath.Join(u.Query().Get("host"), name), t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	var turns atomic.Int64
	var passing sync.WaitGroup
	pass := func(to, from net.Conn, count func()) {
		defer to.Close()
		defer from.Close()
		buffer := make([]byte, 1<<20)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				count()
			}
			if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
				return
			}
		}
	}
	passing.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", real)
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			passing.Go(func() { pass(server, client, func() { turns.Add(1) }) })
			passing.Go(func() { pass(client, server, func() {}) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		passing.Wait()
	})
	q := u.Query()
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	return u.String(), &turns
}

// TestIdleGateAsksLittle counts what a gate that nobody uses asks of its database,
// with the shortest lease there is: three renewals in two seconds.
func TestIdleGateAsksLittle(t *testing.T) {
	cluster := shared.Cluster(t)
	through, turns := counted(t, cluster.Database(t))
	newWorld(t, onPostgres(through, "gate-1"), func(sink.Message) error { return io.EOF })
	const span = 3 * time.Second
	measure := func() float64 {
		before, timer := turns.Load(), time.NewTimer(span)
		<-timer.C
		return float64(turns.Load()-before) / span.Seconds()
	}
	measure() // what a start does once
	// Each connection of the pool is told once what will be asked on it, a turn for each
	// statement: the quietest of three times is what goes on for ever.
	rate := min(measure(), measure(), measure())
	t.Logf("an idle gate turns to its database %.1f times a second", rate)
	if rate > 22 {
		t.Error("that is more than a database with many gates should bear")
	}
}

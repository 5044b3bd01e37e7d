package cluster

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// cable is the way of one gate to the database, which can be cut.
type cable struct {
	url    string // of the database through it
	server string // the server's socket

	mu sync.Mutex // guards what follows
	// whole is closed while everything passes.
	whole chan struct{}
	// refuses says that a cable which is cut says so.
	refuses bool
	ends    map[net.Conn]bool
}

// newCable lays a cable to a database.
func newCable(t *testing.T, database string) *cable {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "cable") // a short name, as it is for a socket
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	name := ".s.PGSQL." + q.Get("port")
	c := &cable{server: filepath.Join(q.Get("host"), name), whole: make(chan struct{}), ends: map[net.Conn]bool{}}
	close(c.whole)
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	c.url = u.String()
	l, err := net.Listen("unix", filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.carry(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mend()
		c.drop()
		all.Wait()
		os.RemoveAll(folder)
	})
	return c
}

// cut lets nothing pass any more, what is said at the end of a connection
// included. With refuses all connections end, and new ones end at once; without,
// whoever has one learns nothing, and what it says passes when the cable is mended.
func (c *cable) cut(refuses bool) {
	c.mu.Lock()
	c.whole, c.refuses = make(chan struct{}), refuses
	c.mu.Unlock()
	if refuses {
		c.drop()
	}
}

// mend ends a cut.
func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.whole:
	default:
		close(c.whole)
	}
	c.refuses = false
}

// drop ends all connections.
func (c *cable) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.ends {
		conn.Close()
	}
}

// use notes an end of a connection, false where it is refused.
func (c *cable) use(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[conn] = true
	return !c.refuses
}

func (c *cable) end(conn net.Conn) {
	conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, conn)
}

// wait returns when the cable is whole.
func (c *cable) wait() {
	c.mu.Lock()
	whole := c.whole
	c.mu.Unlock()
	<-whole
}

// carry carries one connection to its end.
func (c *cable) carry(client net.Conn) {
	defer c.end(client)
	if !c.use(client) {
		return
	}
	c.wait()
	server, err := net.Dial("unix", c.server)
	if err != nil {
		return
	}
	defer c.end(server)
	if !c.use(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.pass(client, server) })
	c.pass(server, client)
	both.Wait()
}

// pass copies until one end is closed.
func (c *cable) pass(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		c.wait()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

// Package sink is a small receiving SMTP server: the recipient of quickstart
// and the measuring end of the load generator.
//
// It takes every message on a loopback address, undoes dot-stuffing and hands
// it to a function. It offers no TLS, no authentication and stores nothing by
// itself, so it is nothing to put on a network. RFC 5321, with PIPELINING
// (RFC 2920), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) and DSN (RFC 3461).
//
// Main types: Server, Message.
package sink

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"countersign/internal/smtp/strict"
)

// Message is one message as it arrived.
type Message struct {
	// From and To are the paths of MAIL and RCPT without angle brackets.
	From string
	To   []string
	// Data is the content with CRLF line ends. It is valid only during the
	// call of Handler.
	Data []byte
	At   time.Time
}

// Server receives. Make it with Listen, end it with Close.
type Server struct {
	listener net.Listener
	handler  func(Message) error

	mu    sync.Mutex // guards conns and closed
	conns map[net.Conn]bool
	// closed says that Close was called.
	closed bool
	wg     sync.WaitGroup
}

// idle is how long a connection may say nothing.
const idle = 5 * time.Minute

// maxMessage bounds what the sink takes of one message.
const maxMessage = 256 << 20

// Listen starts a server on a loopback address ("127.0.0.1:0"). handler is called for
// each message, concurrently; its error makes the server answer 451.
func Listen(address string, handler func(Message) error) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		l.Close()
		return nil, errors.New("sink: listens on loopback addresses only, not on " + address)
	}
	s := &Server{listener: l, handler: handler, conns: map[net.Conn]bool{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends the server and its connections, and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.wg.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		} else {
			s.conns[conn] = true
			s.wg.Go(func() { s.serve(conn) })
		}
		s.mu.Unlock()
	}
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	c := &session{
		server: s, conn: conn,
		in:  strict.NewReader(conn, 16<<10),
		out: bufio.NewWriterSize(conn, 4<<10),
	}
	c.reply("220 sink ESMTP")
	for c.command() {
	}
	c.out.Flush()
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	in     *strict.Reader
	out    *bufio.Writer
	from   string
	to     []string
	// inMail says that a transaction is open.
	inMail bool
	data   []byte
}

// reply buffers one reply line; it leaves when nothing more is waiting to be
// read.
func (c *session) reply(line string) {
	c.out.WriteString(line)
	c.out.WriteString("\r\n")
}

// command serves one command and reports whether the session goes on.
func (c *session) command() bool {
	if c.in.Buffered() == 0 {
		if c.out.Flush() != nil {
			return false
		}
	}
	if c.conn.SetDeadline(time.Now().Add(idle)) != nil {
		return false
	}
	line, err := c.in.ReadLine(4096)
	if err != nil {
		return false
	}
	text := string(line)
	verb, args, _ := strings.Cut(text, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		c.reset()
		c.reply("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-SIZE 268435456\r\n250 ENHANCEDSTATUSCODES")
	case "HELO":
		c.reset()
		c.reply("250 sink")
	case "MAIL":
		c.reset()
		c.from, c.inMail = path(args), true
		c.reply("250 2.1.0 ok")
	case "RCPT":
		if !c.inMail {
			c.reply("503 5.5.1 MAIL first")
			break
		}
		c.to = append(c.to, path(args))
		c.reply("250 2.1.5 ok")
	case "DATA":
		return c.receive()
	case "RSET":
		c.reset()
		c.reply("250 2.0.0 ok")
	case "NOOP":
		c.reply("250 2.0.0 ok")
	case "QUIT":
		c.reply("221 2.0.0 bye")
		return false
	default:
		c.reply("502 5.5.1 not here")
	}
	return true
}

func (c *session) reset() { c.from, c.to, c.inMail = "", c.to[:0], false }

// receive reads a message and hands it on.
func (c *session) receive() bool {
	if len(c.to) == 0 {
		c.reply("503 5.5.1 RCPT first")
		return true
	}
	c.reply("354 go on")
	if c.out.Flush() != nil {
		return false
	}
	body := c.in.Data(strict.DataOptions{MaxBytes: maxMessage})
	c.data = c.data[:0]
	for {
		if len(c.data) == cap(c.data) {
			c.data = append(c.data, make([]byte, max(8<<10, cap(c.data)))...)[:len(c.data)]
		}
		n, err := body.Read(c.data[len(c.data):cap(c.data)])
		c.data = c.data[:len(c.data)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return false
		}
	}
	err := c.server.handler(Message{From: c.from, To: c.to, Data: c.data, At: time.Now()})
	c.reset()
	if err != nil {
		c.reply("451 4.3.0 could not keep it")
		return true
	}
	c.reply("250 2.0.0 kept")
	return true
}

// path takes what stands between angle brackets.
func path(args string) string {
	_, after, ok := strings.Cut(args, "<")
	if !ok {
		return ""
	}
	inside, _, _ := strings.Cut(after, ">")
	return inside
}

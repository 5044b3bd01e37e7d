// Package testmilter is a content filter for tests: the server side of the milter protocol, by a
// library, on loopback or a socket, which notes what it is shown and does what a test says.
//
// Main types: Server, Behaviour, Seen.
package testmilter

import (
	"net"
	"sync"
	"testing"

	"github.com/d--j/go-milter"
)

// Seen is a message as the filter was shown it.
type Seen struct {
	Host, Family, Address string
	Port                  uint16
	Hello                 string
	From, FromArgs        string
	Recipients            []string
	// Fields are name and value of each header field.
	Fields [][2]string
	Body   []byte
	// Macros are those that were asked for, as they were at the end of the message, and
	// RcptAddr those of {rcpt_addr} at each recipient.
	Macros   map[string]string
	RcptAddr []string
}

// Behaviour is what a Server does. The zero value lets everything pass.
type Behaviour struct {
	// Protocol is what it negotiates, such as milter.OptNoHeaderReply.
	Protocol milter.OptProtocol
	// At is asked at each stage before the end: connect, helo, mail, rcpt, data, header, eoh,
	// body. nil, as an answer too, goes on.
	At func(stage string) *milter.Response
	// End is asked at the end of the message, with all that was seen. nil accepts.
	End func(m milter.Modifier, seen *Seen) (*milter.Response, error)
}

// Server is a running filter. It is safe for concurrent use.
type Server struct {
	// Addr is where it listens.
	Addr net.Addr

	mu   sync.Mutex // guards what follows
	b    Behaviour
	seen []Seen
}

// Start runs a filter until the test ends, on the network "tcp" or "unix" at an address;
// "127.0.0.1:0" picks a port.
func Start(t testing.TB, network, address string, b Behaviour) *Server {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: listener.Addr(), b: b}
	server := milter.NewServer(
		milter.WithMilter(func() milter.Milter { return &conversation{server: s} }),
		milter.WithActions(milter.AllClientSupportedActionMasks&^milter.OptSetMacros),
		milter.WithProtocols(b.Protocol),
	)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return s
}

// Seen returns the messages that came to their end.
func (s *Server) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Seen(nil), s.seen...)
}

// Behave changes what it does from the next message on, but for its protocol.
func (s *Server) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = b
}

func (s *Server) behaviour() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b
}

// conversation is the filter's side of one connection.
type conversation struct {
	milter.NoOpMilter
	server *Server
	seen   Seen
}

// at does what the test says at a stage.
func (c *conversation) at(stage string) (*milter.Response, error) {
	if at := c.server.behaviour().At; at != nil {
		if r := at(stage); r != nil {
			return r, nil
		}
	}
	return milter.RespContinue, nil
}

// Connect implements milter.Milter.
func (c *conversation) Connect(host, family string, port uint16, addr string, _ milter.Modifier) (*milter.Response, error) {
	c.seen.Host, c.seen.Family, c.seen.Port, c.seen.Address = host, family, port, addr
	return c.at("connect")
}

// Helo implements milter.Milter.
func (c *conversation) Helo(name string, _ milter.Modifier) (*milter.Response, error) {
	c.seen.Hello = name
	return c.at("helo")
}

// MailFrom implements milter.Milter.
func (c *conversation) MailFrom(from, args string, _ milter.Modifier) (*milter.Response, error) {
	c.seen.From, c.seen.FromArgs = from, args
	return c.at("mail")
}

// RcptTo implements milter.Milter.
func (c *conversation) RcptTo(to, _ string, m milter.Modifier) (*milter.Response, error) {
	c.seen.Recipients = append(c.seen.Recipients, to)
	c.seen.RcptAddr = append(c.seen.RcptAddr, m.Get(milter.MacroRcptAddr))
	return c.at("rcpt")
}

// Data implements milter.Milter.
func (c *conversation) Data(milter.Modifier) (*milter.Response, error) { return c.at("data") }

// Header implements milter.Milter.
func (c *conversation) Header(name, value string, _ milter.Modifier) (*milter.Response, error) {
	c.seen.Fields = append(c.seen.Fields, [2]string{name, value})
	return c.at("header")
}

// Headers implements milter.Milter.
func (c *conversation) Headers(milter.Modifier) (*milter.Response, error) { return c.at("eoh") }

// BodyChunk implements milter.Milter.
func (c *conversation) BodyChunk(chunk []byte, _ milter.Modifier) (*milter.Response, error) {
	c.seen.Body = append(c.seen.Body, chunk...)
	return c.at("body")
}

// EndOfMessage implements milter.Milter.
func (c *conversation) EndOfMessage(m milter.Modifier) (*milter.Response, error) {
	c.seen.Macros = map[string]string{}
	for _, name := range []string{
		milter.MacroMTAFQDN, milter.MacroDaemonName, milter.MacroMTAVersion, milter.MacroClientAddr, milter.MacroTlsVersion, milter.MacroCipher,
		milter.MacroQueueId, milter.MacroAuthType, milter.MacroAuthAuthen, milter.MacroMailAddr, milter.MacroMailHost,
	} {
		c.seen.Macros[name] = m.Get(name)
	}
	c.server.mu.Lock()
	c.server.seen = append(c.server.seen, c.seen)
	end := c.server.b.End
	c.server.mu.Unlock()
	if end == nil {
		return milter.RespAccept, nil
	}
	return end(m, &c.seen)
}

package ldap

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// double is a server that says what it is told, on a real socket.
type double struct {
	t        *testing.T
	listener net.Listener
	// answers writes what is said to a request with that id and tag.
	answers func(conn net.Conn, id int64, tag ber.Tag)
	all     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	seen  []ber.Tag
	conns []net.Conn
}

// start starts a double that ends with the test.
func start(t *testing.T, answers func(conn net.Conn, id int64, tag ber.Tag)) *double {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	s := &double{t: t, answers: answers}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.all.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		s.listener.Close()
		s.hangUp()
		s.all.Wait()
		goleak.VerifyNone(t, leaks)
	})
	return s
}

func (s *double) serve(conn net.Conn) {
	defer conn.Close()
	for {
		p, err := ber.ReadPacket(conn)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, ok := p.Children[0].Value.(int64)
		if !ok {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, p.Children[1].Tag)
		s.mu.Unlock()
		s.answers(conn, id, p.Children[1].Tag)
	}
}

func (s *double) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *double) count(tag ber.Tag) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.seen {
		if each == tag {
			n++
		}
	}
	return n
}

// asking returns an LDAP that searches in the double without an account.
func (s *double) asking(more func(*Options)) *LDAP {
	s.t.Helper()
	opt := Options{
		Name: "panel", URL: "ldap://" + s.listener.Addr().String(), Base: "dc=example", Filter: "(mail={login})",
		Attributes: Attributes{Login: "mail"}, Connections: 1,
	}
	if more != nil {
		more(&opt)
	}
	d, err := New(opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.Close() })
	return d
}

// result is a message with a result (RFC 4511 section 4.1.9).
func result(id int64, tag ber.Tag, code int64) []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, strings.Repeat("said ", 100), ""))
	return message(id, op)
}

// entry is a message with an entry that has a login.
func entry(id int64) []byte {
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	set.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "a@example.org", ""))
	attribute := ber.NewSequence("")
	attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "mail", ""))
	attribute.AppendChild(set)
	list := ber.NewSequence("")
	list.AppendChild(attribute)
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "uid=a,dc=example", ""))
	op.AppendChild(list)
	return message(id, op)
}

func message(id int64, op *ber.Packet) []byte {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// honest answers a search with one entry, and a bind with a code.
func honest(code int64) func(net.Conn, int64, ber.Tag) {
	return func(conn net.Conn, id int64, tag ber.Tag) {
		switch tag {
		case goldap.ApplicationBindRequest:
			_, _ = conn.Write(result(id, goldap.ApplicationBindResponse, code))
		case goldap.ApplicationSearchRequest:
			_, _ = conn.Write(append(entry(id), result(id, goldap.ApplicationSearchResultDone, 0)...))
		}
	}
}

// asks asks with little time.
func asks(t *testing.T, d *LDAP, time time.Duration) (*directory.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time)
	defer cancel()
	return d.Ask(ctx, directory.Question{Login: "a@example.org", Password: "s3cret"})
}

const long = 20 * time.Second

func wants(t *testing.T, err error, kind fault.Kind, part string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cret") || len(err.Error()) > 800 {
		t.Errorf("%v; want %v with %q", err, kind, part)
	}
}

// TestBindResults: what each result of a bind means.
func TestBindResults(t *testing.T) {
	for code, kind := range map[int64]fault.Kind{
		49: fault.Unauthenticated, 48: fault.Unauthenticated, 50: fault.Unauthenticated, 53: fault.Unauthenticated, 19: fault.Unauthenticated,
		32: fault.NotFound, 34: fault.NotFound, 10: fault.Unavailable, 13: fault.Unavailable, 51: fault.Unavailable, 52: fault.Unavailable, 1: fault.Unavailable,
		14: fault.Unavailable, 80: fault.Unavailable,
	} {
		a, err := asks(t, start(t, honest(code)).asking(nil), long)
		wants(t, err, kind, "")
		if a != nil {
			t.Errorf("%d: %+v", code, a)
		}
	}
	s := start(t, honest(0))
	d := s.asking(nil)
	for range 2 {
		if a, err := asks(t, d, long); err != nil || a.Login != "a@example.org" || !a.Verified {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if d.Name() != "panel" || len(s.conns) != 2 || s.count(goldap.ApplicationBindRequest) != 2 {
		t.Errorf("%d connections, %d binds", len(s.conns), s.count(goldap.ApplicationBindRequest))
	}
}

// TestEvilServers: what is no answer lets nobody in, costs little, and ends.
func TestEvilServers(t *testing.T) {
	huge := []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xf0, 0x02, 0x01, 0x01, 0x64, 0x84, 0x7f, 0xff, 0xff, 0xe0, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xd0}
	for name, c := range map[string]struct {
		answers func(conn net.Conn, id int64, tag ber.Tag)
		part    string
	}{
		"entries without end": {func(conn net.Conn, id int64, _ ber.Tag) {
			many := bytes.Repeat(entry(id), 100)
			for {
				if _, err := conn.Write(many); err != nil {
					return
				}
			}
		}, "more than any answer"},
		"a message of 2 GB": {func(conn net.Conn, _ int64, _ ber.Tag) {
			_, _ = conn.Write(huge)
			for {
				if _, err := conn.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "more than any answer"},
		"garbage":  {func(conn net.Conn, _ int64, _ ber.Tag) { _, _ = conn.Write([]byte("220 mail ESMTP\r\n")); conn.Close() }, ""},
		"hangs up": {func(conn net.Conn, _ int64, _ ber.Tag) { conn.Close() }, ""},
		"no result": {func(conn net.Conn, id int64, _ ber.Tag) {
			_, _ = conn.Write(message(id, ber.NewSequence("")))
			conn.Close()
		}, ""},
		"a result of another kind": {func(conn net.Conn, id int64, _ ber.Tag) {
			_, _ = conn.Write(result(id, goldap.ApplicationBindResponse, 0))
			conn.Close()
		}, ""},
	} {
		s := start(t, c.answers)
		a, err := asks(t, s.asking(nil), long)
		if a != nil || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		a, err = asks(t, s.asking(func(o *Options) { o.UserDN, o.Base, o.Filter = "uid={local}", "", "" }), long)
		if a != nil || err == nil {
			t.Errorf("%s, bind: %+v, %v", name, a, err)
		}
	}
}

// TestMoreThanAsked: a server that does not heed the bound of a search.
func TestMoreThanAsked(t *testing.T) {
	s := start(t, func(conn net.Conn, id int64, _ ber.Tag) {
		_, _ = conn.Write(append(bytes.Repeat(entry(id), 2), result(id, goldap.ApplicationSearchResultDone, 0)...))
	})
	_, err := asks(t, s.asking(nil), long)
	wants(t, err, fault.Corrupt, "several entries")
}

// TestSilence: a server that hangs costs the time of the question, and the next one
// has another connection. One that is given up ends at once.
func TestSilence(t *testing.T) {
	s := start(t, func(net.Conn, int64, ber.Tag) {})
	d := s.asking(nil)
	for range 2 {
		_, err := asks(t, d, 50*time.Millisecond)
		wants(t, err, fault.Unavailable, "in time")
	}
	s.mu.Lock()
	if len(s.conns) != 2 {
		t.Errorf("%d connections", len(s.conns))
	}
	s.mu.Unlock()
	ctx, giveUp := context.WithCancel(t.Context())
	d = start(t, func(net.Conn, int64, ber.Tag) { giveUp() }).asking(nil)
	_, err := d.Ask(ctx, directory.Question{Login: "a@example.org", Password: "s3cret"})
	wants(t, err, fault.Canceled, "")
}

// TestStartTLSRefused: nothing is sent in clear instead.
func TestStartTLSRefused(t *testing.T) {
	for _, code := range []int64{2, 52, 0} { // 0, and then no TLS
		s := start(t, func(conn net.Conn, id int64, tag ber.Tag) {
			_, _ = conn.Write(result(id, goldap.ApplicationExtendedResponse, code))
		})
		_, err := asks(t, s.asking(func(o *Options) { o.StartTLS = true }), 2*time.Second)
		wants(t, err, fault.Unavailable, "")
		if s.count(goldap.ApplicationBindRequest)+s.count(goldap.ApplicationSearchRequest) != 0 {
			t.Errorf("%d: asked in clear: %v", code, s.seen)
		}
	}
}

// TestConnectionsThatBroke while nothing was asked cost nobody a login; those that
// break at each question do. One that is too old is not used.
func TestConnectionsThatBroke(t *testing.T) {
	s := start(t, honest(0))
	d := s.asking(nil)
	for range 3 {
		if _, err := asks(t, d, long); err != nil {
			t.Error(err)
		}
		s.hangUp()
	}
	if _, err := asks(t, d, long); err != nil {
		t.Error(err)
	}
	d.searches.idle, d.binds.idle = 0, 0
	for range 2 {
		if _, err := asks(t, d, long); err != nil {
			t.Error(err)
		}
	}
	s.mu.Lock()
	if len(s.conns) != 2+2*2 { // one to search and one to bind, each time
		t.Errorf("%d connections", len(s.conns))
	}
	s.mu.Unlock()
}

// TestClosed: nothing is asked afterwards.
func TestClosed(t *testing.T) {
	s := start(t, honest(0))
	d := s.asking(nil)
	if _, err := asks(t, d, long); err != nil {
		t.Error(err)
	}
	d.Close()
	_, err := asks(t, d, long)
	wants(t, err, fault.Unavailable, "closed")
}

// TestUnknownCostsTheSame: as many requests of each kind as for a wrong password, in
// both ways in which the user is searched.
func TestUnknownCostsTheSame(t *testing.T) {
	none := func(conn net.Conn, id int64, tag ber.Tag) {
		if tag == goldap.ApplicationSearchRequest {
			_, _ = conn.Write(result(id, goldap.ApplicationSearchResultDone, 0))
			return
		}
		honest(49)(conn, id, tag)
	}
	for way, more := range map[string]func(*Options){
		"bind": func(o *Options) { o.Disabled = "(a=b)" },
		"hash": func(o *Options) {
			o.Disabled, o.Attributes.Hash = "(a=b)", "mail"
			o.GroupBase, o.GroupFilter, o.Plans = "ou=g", "(member={dn})", []Plan{{"a", "b"}}
		},
	} {
		known, unknown := start(t, honest(49)), start(t, none)
		a, err := asks(t, known.asking(more), long)
		if way == "bind" {
			wants(t, err, fault.Unauthenticated, "")
		} else if err != nil || a.Hash != "a@example.org" {
			t.Errorf("%s: %+v, %v", way, a, err)
		}
		_, err = asks(t, unknown.asking(more), long)
		wants(t, err, fault.NotFound, "")
		for _, tag := range []ber.Tag{goldap.ApplicationBindRequest, goldap.ApplicationSearchRequest} {
			if a, b := known.count(tag), unknown.count(tag); a != b {
				t.Errorf("%s: %d of tag %d for a known login, %d for an unknown one", way, a, tag, b)
			}
		}
	}
}

// TestSocketThatIsNotThere is a directory that is down.
func TestSocketThatIsNotThere(t *testing.T) {
	opt := sound()
	opt.URL, opt.BindDN, opt.PasswordFile = "ldapi://"+strings.ReplaceAll(filepath.Join(t.TempDir(), "s"), "/", "%2F"), "", ""
	d, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = asks(t, d, long)
	wants(t, err, fault.Unavailable, "panel")
}

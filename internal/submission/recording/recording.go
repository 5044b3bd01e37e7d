// Package recording is how sessions come into the record: an event for what the server has
// seen, completed by what the session knows, in bounds, so that no client can fill the record:
// of one session, and, until somebody has logged in, of a network (package ration).
//
// What stands in the data of an event is for who makes it. Acceptances are not bounded: they
// are stored with their messages.
//
// Main types: Book, Session.
package recording

import (
	"maps"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/ration"
)

// Options are what a Book is made of. All but Node are needed.
type Options struct {
	// Record takes events.
	Record func(audit.Event)
	// LeftOut is told of each event that is not recorded.
	LeftOut func()
	// Node is the id of this gate among those that share the store; "" where there are no
	// others.
	Node string
	Now  func() time.Time
}

// Book is the record of all sessions of a gate. It is safe for concurrent use.
type Book struct {
	opt     Options
	rations *ration.Rations
}

// New returns a Book. Close ends it.
func New(opt Options) *Book {
	b := &Book{opt: opt}
	b.rations = ration.New(opt.Now, func(e audit.Event) {
		e.At = opt.Now()
		b.here(&e)
		opt.Record(e)
	})
	return b
}

// Close records what has been left out and not been told yet. It is called when no session is
// open any more.
func (b *Book) Close() { b.rations.Close() }

// here names the node in an event that has data.
func (b *Book) here(e *audit.Event) {
	if b.opt.Node != "" {
		e.Data["node"] = b.opt.Node
	}
}

// Stranger records an event about a client that has no session, within the ration of its
// network.
func (b *Book) Stranger(peer smtpserver.Peer, e audit.Event) {
	if b.affords(peer, e.Kind) {
		b.add(peer, e)
	}
}

// affords reports whether the ration of a client's network has one more event.
func (b *Book) affords(peer smtpserver.Peer, kind audit.Kind) bool {
	if b.rations.Spend(peer.Network(), kind) {
		return true
	}
	b.opt.LeftOut()
	return false
}

// add records an event about a client that has no session.
func (b *Book) add(peer smtpserver.Peer, e audit.Event) {
	e.At, e.Session, e.Client = b.opt.Now(), peer.ID, peer.Client.Addr().Unmap().String()
	b.opt.Record(e)
}

// Refused records a connection that did not become a session, as Stranger does. why is added
// to its data.
func (b *Book) Refused(peer smtpserver.Peer, r smtp.Reply, why map[string]string) {
	if !b.affords(peer, audit.ConnectionRefused) {
		return
	}
	e := audit.Event{
		Kind: audit.ConnectionRefused, Code: r.Code, Enhanced: r.Enhanced.String(), Reason: string(r.Reason), Text: r.Text,
		Data: map[string]string{"listener": peer.Listener, "proxy": proxyText(peer)},
	}
	maps.Copy(e.Data, why)
	b.add(peer, e)
}

// proxyText names the proxy in front of a connection, "" for none.
func proxyText(peer smtpserver.Peer) string {
	if !peer.Proxy.IsValid() {
		return ""
	}
	return peer.Proxy.String()
}

// Session is the record of one session. It is used by one goroutine at a time.
type Session struct {
	// Login is who has logged in; "" for nobody.
	Login string

	book *Book
	peer smtpserver.Peer
	// recorded counts the events so far, unrecorded those that were left out, spent those
	// that the ration of the network has paid for.
	recorded, unrecorded, spent int
	// begun says that the session's beginning is recorded, and so its end will be.
	begun bool
}

// Of returns the record of a session that is to begin.
func (b *Book) Of(peer smtpserver.Peer) *Session { return &Session{book: b, peer: peer} }

// Begin records that the session has begun.
func (s *Session) Begin() {
	e := audit.Event{
		Kind: audit.SessionOpened,
		Data: map[string]string{
			"listener": s.peer.Listener,
			"port":     strconv.Itoa(int(s.peer.Client.Port())),
			"local":    s.peer.Local.String(),
			"proxy":    proxyText(s.peer),
		},
	}
	s.book.here(&e)
	s.Add(e)
}

// maxRecorded bounds the events of one session, acceptances apart: a client
// must not fill the record. What is beyond is counted at the session's end, and
// so is what a ration left out before its login.
const maxRecorded = 1000

// Add completes an event with what the session knows and hands it to the record, unless there
// are too many.
func (s *Session) Add(e audit.Event) {
	closes := e.Kind == audit.SessionClosed
	if s.recorded >= maxRecorded && !closes || !(closes && s.begun) && !s.afford(e.Kind) {
		s.unrecorded++
		s.book.opt.LeftOut()
		return
	}
	s.recorded++
	s.begun = s.begun || e.Kind == audit.SessionOpened
	if closes && s.unrecorded > 0 {
		e.Data = map[string]string{"unrecorded": strconv.Itoa(s.unrecorded)}
	}
	s.book.opt.Record(s.Complete(e))
}

// afford reports whether one more event may be recorded. From the login on all
// may, and what had been spent before is given back.
func (s *Session) afford(kind audit.Kind) bool {
	network := s.peer.Network()
	if s.Login != "" {
		if s.spent > 0 {
			s.book.rations.Refund(network, s.spent)
			s.spent = 0
		}
		return true
	}
	if !s.book.rations.Spend(network, kind) {
		return false
	}
	if kind != audit.AuthFailed {
		s.spent++
	}
	return true
}

// Complete fills in time, session, client and account.
func (s *Session) Complete(e audit.Event) audit.Event {
	e.At = s.book.opt.Now()
	e.Session = s.peer.ID
	e.Client = s.peer.Client.Addr().Unmap().String()
	if e.Login == "" {
		e.Login = s.Login
	}
	return e
}

// Completed is Complete for several.
func (s *Session) Completed(list []audit.Event) []audit.Event {
	for i := range list {
		list[i] = s.Complete(list[i])
	}
	return list
}

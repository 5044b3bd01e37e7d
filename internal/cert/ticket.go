package cert

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"time"
)

// sessionLife is how long after the handshake that showed a certificate its
// session may be resumed. crypto/tls bounds the age of a ticket alone, and in
// TLS 1.3 each resumption brings a new one, so without this a client could go
// on for ever with what a certificate vouched for that is long withdrawn.
const sessionLife = 24 * time.Hour

// markPrefix begins our part of a session's state, which the ticket encrypts.
const markPrefix = "countersign session\x00"

// mark is what a ticket says beyond what crypto/tls puts into it.
type mark struct {
	// began is when a certificate was shown last, to the second.
	began time.Time
	// name is the server name that it was chosen for.
	name string
}

func (m mark) encode() []byte {
	text := binary.BigEndian.AppendUint64([]byte(markPrefix), uint64(m.began.Unix()))
	return append(text, m.name...)
}

// markOf finds ours among the extra parts of a session's state.
func markOf(extra [][]byte) (m mark, ok bool) {
	for _, e := range extra {
		text, ours := bytes.CutPrefix(e, []byte(markPrefix))
		if ours && len(text) >= 8 {
			return mark{time.Unix(int64(binary.BigEndian.Uint64(text)), 0), string(text[8:])}, true
		}
	}
	return mark{}, false
}

// tickets issues and takes the session tickets of one connection. The keys are
// those of base, so a ticket is good for all connections of its listener and
// for no other listener.
type tickets struct {
	base *tls.Config
	now  func() time.Time
	// resumed is the mark of the ticket that the client has shown.
	resumed mark
}

// withTickets returns what a connection uses in place of base.
func withTickets(base *tls.Config, now func() time.Time) *tls.Config {
	t := &tickets{base: base, now: now}
	own := base.Clone()
	own.GetConfigForClient = nil
	own.WrapSession, own.UnwrapSession = t.wrap, t.unwrap
	return own
}

// wrap makes a ticket; one after a resumption keeps the time of the first.
func (t *tickets) wrap(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	m := mark{t.now(), cs.ServerName}
	if cs.DidResume {
		m = t.resumed
	}
	ss.Extra = append(ss.Extra, m.encode())
	return t.base.EncryptTicket(cs, ss)
}

// unwrap opens a ticket. One that is too old, or from another server name (RFC
// 6066 section 3), leads to a full handshake.
func (t *tickets) unwrap(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	ss, err := t.base.DecryptTicket(identity, cs)
	if err != nil || ss == nil {
		return nil, err
	}
	m, ok := markOf(ss.Extra)
	if !ok || m.name != cs.ServerName || t.now().Sub(m.began) > sessionLife {
		return nil, nil
	}
	t.resumed = m
	return ss, nil
}

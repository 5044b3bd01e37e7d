package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// NoTLSError is why a handshake failed with a client that never began one. It
// can be answered in plain text, after Speak.
type NoTLSError struct {
	// Begins is what the client sent instead, at most 5 octets; empty for a
	// client that waited for us to speak until the time was over.
	Begins []byte
}

// Error says so.
func (e *NoTLSError) Error() string { return "wire: the client does not speak TLS" }

// ErrGone is why an opening failed with a peer that left without a word.
var ErrGone = errors.New("wire: the client left without a word")

// StartTLS makes the server's handshake over what is there and, if it
// succeeds, reads and writes through it from then on. Octets received before
// and not consumed are forgotten. It must be over within wait. Errors:
// *NoTLSError, ErrGone, else what crypto/tls says; after any of them nothing is
// written any more.
func (c *Conn) StartTLS(config *tls.Config, wait time.Duration) (*tls.Conn, error) {
	c.setOpening(true)
	c.mute = errHandshake
	c.raw.SetDeadline(time.Now().Add(wait))
	heard := &hearing{Conn: c.conn}
	conn := tls.Server(heard, config)
	err := conn.Handshake()
	c.raw.SetDeadline(time.Time{})
	c.setOpening(false)
	if err != nil {
		return nil, diagnose(err, heard.any)
	}
	c.conn, c.mute = conn, nil
	c.in.Reset(c)
	return conn, nil
}

// diagnose finds out what a failed handshake means; heard says whether
// anything was received.
func diagnose(err error, heard bool) error {
	var foreign tls.RecordHeaderError
	switch {
	case errors.As(err, &foreign) && foreign.Conn != nil: // nothing has been sent
		return &NoTLSError{Begins: foreign.RecordHeader[:]}
	case IsTimeout(err) && !heard:
		return &NoTLSError{}
	case errors.Is(err, io.EOF) && !heard:
		return ErrGone
	}
	return err
}

// hearing notes whether anything has been received, and whether the peer ended.
type hearing struct {
	net.Conn
	any, ended bool
}

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.any = h.any || n > 0
	h.ended = h.ended || err != nil && !IsTimeout(err)
	return n, err
}

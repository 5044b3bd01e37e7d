// Package intake takes the body of a message in: into memory while it is small, into a file of
// the store when it is not, hashed for its signatures while it comes.
//
// It decides nothing but whether the body is too large, and whether there is room.
//
// Main types: Body.
package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"

	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/message"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// Options are what a Body is taken in by.
type Options struct {
	// Begin begins a file for a body that is too large for memory; queue.Store.NewBody does.
	Begin func(context.Context) (queue.BodyFile, error)
	// Space is asked before anything is written.
	Space Space
	// Limit is the plan's bound on the whole message in octets, 0 for none.
	Limit int64
	// Announced is the SIZE parameter of MAIL, 0 for none.
	Announced int64
}

// Space knows how much new mail there is room for. It is asked often and
// concurrently, and answers from memory.
type Space interface {
	// Fits reports whether so many octets could be stored now, in a file of
	// their own or in the database: nil, or a fault of kind Full.
	Fits(octets int64, file bool) error
	// Take is Fits for octets that are written next, which it counts.
	Take(octets int64, file bool) error
}

// Body reads a body once: into memory while it is small, into a file of the
// store when it is not, and through the signers' hash in both cases. It is used by one goroutine.
type Body struct {
	opt  Options
	hash *dkim.BodyHash
	// inline holds the body while it is small enough.
	inline []byte
	// file holds it otherwise.
	file queue.BodyFile
	// size is the body's octets.
	size int64
	// eightBit says that an octet of the body is above 127.
	eightBit bool
}

// New returns a Body that nothing was read of. Discard ends it.
func New(o Options) *Body { return &Body{opt: o} }

// Hash is that of the body, for its signatures.
func (in *Body) Hash() *dkim.BodyHash { return in.hash }

// Size is the body's octets.
func (in *Body) Size() int64 { return in.size }

// EightBit reports whether an octet of it is above 127.
func (in *Body) EightBit() bool { return in.eightBit }

// Read takes the body to its end. head is the octets of the header block.
func (in *Body) Read(ctx context.Context, body io.Reader, head int) error {
	in.hash = dkim.NewBodyHash()
	buf := make([]byte, 0, 8<<10)
	for {
		if in.file != nil && len(buf) == cap(buf) || in.file == nil && len(buf) > queue.InlineMax {
			if err := in.spill(ctx, buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, cap(buf))...)[:len(buf)]
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		part := buf[len(buf) : len(buf)+n]
		buf = buf[:len(buf)+n]
		in.note(part)
		if err := in.check(in.size + int64(head)); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return in.finish(ctx, buf)
		}
		if err != nil {
			return err
		}
	}
}

// announcedSlack is what a message may be larger than twice its SIZE: programs
// count a line end as one octet, and forget a header (RFC 1870 section 6.1
// calls it an estimate).
const announcedSlack = 4096

// check refuses a message over the plan's limit, or far over what was
// announced (RFC 1870 section 6.3).
func (in *Body) check(size int64) error {
	const op = "submission.data"
	if in.opt.Limit > 0 && size > in.opt.Limit {
		return TooLarge(op, in.opt.Limit)
	}
	if in.opt.Announced > 0 && size > 2*in.opt.Announced+announcedSlack {
		e := fault.Refuse(op, fault.Denied, string(smtp.ESizeExceeded))
		e.Detail = strconv.FormatInt(in.opt.Announced, 10)
		return e
	}
	return nil
}

// note hashes and looks at what has just been read.
func (in *Body) note(part []byte) {
	in.size += int64(len(part))
	in.hash.Write(part) // a hash never fails
	for i := 0; i < len(part) && !in.eightBit; i++ {
		in.eightBit = part[i] >= 0x80
	}
}

// finish ends a body that lacks its last CRLF, and closes file or memory.
func (in *Body) finish(ctx context.Context, buf []byte) error {
	if in.hash.MissingCRLF() {
		buf = append(buf, '\r', '\n')
		in.size += 2
	}
	if in.file == nil && len(buf) <= queue.InlineMax {
		in.inline = buf
		return in.opt.Space.Take(in.size, false)
	}
	if err := in.spill(ctx, buf); err != nil {
		return err
	}
	return in.file.Seal()
}

// spill writes what is in memory to the file. A large body is on its way for
// long: whether there is room is asked for each part.
func (in *Body) spill(ctx context.Context, buf []byte) error {
	if err := in.opt.Space.Take(int64(len(buf)), true); err != nil {
		return err
	}
	if in.file == nil {
		file, err := in.opt.Begin(ctx)
		if err != nil {
			return err
		}
		in.file = file
	}
	_, err := in.file.Write(buf)
	return err
}

// Complete puts the content into the acceptance and corrects the envelope by
// what was seen.
func (in *Body) Complete(a *queue.Acceptance, head []byte, header *message.Header) {
	a.Content = queue.Content{Head: head, Body: in.inline}
	if in.file != nil {
		a.Content.Large = in.file
	}
	a.Submission.Size = in.size + int64(len(head))
	if in.eightBit {
		// Clients send 8-bit bodies without saying so; the next server must
		// know (RFC 6152 section 3).
		a.Submission.Envelope.Body = "8BITMIME"
	}
	if a.Submission.Envelope.SMTPUTF8 && !needsUTF8(a, head) {
		// Asked for but not needed: then any server can be delivered to
		// (RFC 6531 section 3.6 leaves the choice to the sender).
		a.Submission.Envelope.SMTPUTF8 = false
	}
}

// needsUTF8 reports whether an address or the header is beyond ASCII.
func needsUTF8(a *queue.Acceptance, head []byte) bool {
	if !a.Submission.Envelope.From.IsASCII() {
		return true
	}
	for _, d := range a.Deliveries {
		if !d.Recipient.To.IsASCII() {
			return true
		}
	}
	for _, c := range head {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// Taken says that the store owns the file now.
func (in *Body) Taken() { in.file = nil }

// Abandon decides what becomes of the file when Accept has failed. After a
// commit that failed for the disk's sake the database may hold it all the same
// once it has recovered: then the file stays, and the next start removes it if
// nothing names it.
func (in *Body) Abandon(err error) {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Internal, fault.Corrupt:
		in.file = nil
	}
}

// Discard drops the file of a message that was not accepted.
func (in *Body) Discard() {
	if in.file != nil {
		in.file.Discard()
	}
}

// Open returns a reader of the body that has been read.
func (in *Body) Open() (io.ReadCloser, error) {
	if in.file != nil {
		return in.file.Open()
	}
	return io.NopCloser(bytes.NewReader(in.inline)), nil
}

// Replace puts another body in place of the one that has been read. head is the octets of the
// header block.
func (in *Body) Replace(ctx context.Context, body []byte, head int) error {
	fresh := New(Options{Begin: in.opt.Begin, Space: in.opt.Space, Limit: in.opt.Limit})
	err := fresh.Read(ctx, bytes.NewReader(body), head)
	if err != nil {
		fresh.Discard()
		return err
	}
	in.Discard()
	*in = *fresh
	return nil
}

// TooLarge is the refusal of a message over a plan's limit.
func TooLarge(op string, limit int64) error {
	return &fault.Error{
		Op: op, Kind: fault.TooLarge, Reason: string(smtp.EMessageTooLarge),
		Detail: strconv.FormatInt(limit, 10),
	}
}

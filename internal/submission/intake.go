package submission

import (
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

// intake reads a body once: into memory while it is small, into a file of the
// store when it is not, and through the signers' hash in both cases.
type intake struct {
	store Queue
	// space is asked before anything is written.
	space Space
	// limit is the plan's bound on the whole message in octets, 0 for none.
	limit int64
	// announced is the SIZE parameter of MAIL, 0 for none.
	announced int64
	hash      *dkim.BodyHash
	// inline holds the body while it is small enough.
	inline []byte
	// file holds it otherwise.
	file queue.BodyFile
	// size is the body's octets.
	size int64
	// eightBit says that an octet of the body is above 127.
	eightBit bool
}

// read takes the body to its end. head is the octets of the header block.
func (in *intake) read(ctx context.Context, body io.Reader, head int) error {
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
func (in *intake) check(size int64) error {
	const op = "submission.data"
	if in.limit > 0 && size > in.limit {
		return tooLarge(op, in.limit)
	}
	if in.announced > 0 && size > 2*in.announced+announcedSlack {
		return refuse(op, smtp.ESizeExceeded, strconv.FormatInt(in.announced, 10))
	}
	return nil
}

// note hashes and looks at what has just been read.
func (in *intake) note(part []byte) {
	in.size += int64(len(part))
	in.hash.Write(part) // a hash never fails
	for i := 0; i < len(part) && !in.eightBit; i++ {
		in.eightBit = part[i] >= 0x80
	}
}

// finish ends a body that lacks its last CRLF, and closes file or memory.
func (in *intake) finish(ctx context.Context, buf []byte) error {
	if in.hash.MissingCRLF() {
		buf = append(buf, '\r', '\n')
		in.size += 2
	}
	if in.file == nil && len(buf) <= queue.InlineMax {
		in.inline = buf
		return in.space.Take(in.size, false)
	}
	if err := in.spill(ctx, buf); err != nil {
		return err
	}
	return in.file.Seal()
}

// spill writes what is in memory to the file. A large body is on its way for
// long: whether there is room is asked for each part.
func (in *intake) spill(ctx context.Context, buf []byte) error {
	if err := in.space.Take(int64(len(buf)), true); err != nil {
		return err
	}
	if in.file == nil {
		file, err := in.store.NewBody(ctx)
		if err != nil {
			return err
		}
		in.file = file
	}
	_, err := in.file.Write(buf)
	return err
}

// complete puts the content into the acceptance and corrects the envelope by
// what was seen.
func (in *intake) complete(a *queue.Acceptance, head []byte, header *message.Header) {
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

// taken says that the store owns the file now.
func (in *intake) taken() { in.file = nil }

// abandon decides what becomes of the file when Accept has failed. After a
// commit that failed for the disk's sake the database may hold it all the same
// once it has recovered: then the file stays, and the next start removes it if
// nothing names it.
func (in *intake) abandon(err error) {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Internal, fault.Corrupt:
		in.file = nil
	}
}

// discard drops the file of a message that was not accepted.
func (in *intake) discard() {
	if in.file != nil {
		in.file.Discard()
	}
}

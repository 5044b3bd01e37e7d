package milter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Bounds of what one conversation may bring, in octets and packets.
const (
	// maxPacket is the longest packet but those of a body: 64 KiB of text, and what is around.
	maxPacket = 66 << 10
	// maxAnswers is all that comes in packets but those of a body.
	maxAnswers = 2 << 20
	// maxChanges is how many changes may be wanted.
	maxChanges = 1000
	// maxUnsent is what is kept to be sent at once with what follows.
	maxUnsent = 64 << 10
)

// The packets of a program that are looked at here, by the names of libmilter.
const (
	packetOptNeg   = 'O' // SMFIC_OPTNEG
	packetProgress = 'p' // SMFIR_PROGRESS
	packetBody     = 'b' // SMFIR_REPLBODY
	packetDiscard  = 'd' // SMFIR_DISCARD
	packetAccept   = 'a' // SMFIR_ACCEPT
	// packetsChange are those that want something changed: SMFIR_ADDRCPT, DELRCPT, ADDRCPT_PAR,
	// CHGFROM, ADDHEADER, CHGHEADER, INSHEADER, QUARANTINE.
	packetsChange = "+-2ehmiq"
)

// optNegLength is an answer to SMFIC_OPTNEG without the macros that the program asks for: it
// gets all that there are.
const optNegLength = 12

var (
	errNonsense = errors.New("it does not speak milter")
	errTooMuch  = errors.New("its answer is too large")
)

// wire is the connection beneath the library. It hands it whole packets within
// their bounds, keeps a new body for itself, drops words that the program goes on, and
// sends what is written when something is read. It is used by one goroutine.
type wire struct {
	net.Conn
	ctx  context.Context
	stop func() bool
	in   *bufio.Reader
	opt  Options
	// unsent is what was written since.
	unsent []byte
	// pending is what is left of the packet that the library reads.
	pending []byte
	// left is how many octets of answers, and changes how many changes may still come.
	left, changes int
	// body is what is to stand in place of the message's, if replaced.
	body     bytes.Buffer
	replaced bool
	// discarded says that the program wants the message thrown away. The library is told
	// that it accepts it, as it takes no heed of the other where it comes early.
	discarded bool
	// err is why nothing can be read any more.
	err error
}

func newWire(ctx context.Context, conn net.Conn, opt Options) *wire {
	w := &wire{Conn: conn, ctx: ctx, opt: opt, in: bufio.NewReader(conn), left: maxAnswers, changes: maxChanges}
	w.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past()) })
	return w
}

// past is a time that is over.
func past() time.Time { return time.Unix(1, 0) }

// patience bounds the next step.
func (w *wire) patience() {
	_ = w.Conn.SetDeadline(time.Now().Add(w.opt.Step))
	if w.ctx.Err() != nil { // it may just have ended
		_ = w.Conn.SetDeadline(past())
	}
}

// Write implements net.Conn. What is written is sent by the next Read, or when there is much.
func (w *wire) Write(p []byte) (int, error) {
	w.unsent = append(w.unsent, p...)
	if len(w.unsent) < maxUnsent {
		return len(p), nil
	}
	return len(p), w.flush()
}

// flush sends what was written.
func (w *wire) flush() error {
	if len(w.unsent) == 0 {
		return nil
	}
	w.patience()
	_, err := w.Conn.Write(w.unsent)
	w.unsent = w.unsent[:0]
	if err != nil && w.err == nil {
		w.err = err
	}
	return err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if len(w.pending) == 0 {
		if err := w.flush(); err != nil {
			return 0, err
		}
		w.err = w.next()
		if w.err != nil {
			return 0, w.err
		}
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// next reads packets up to one that is the library's.
func (w *wire) next() error {
	for {
		w.patience()
		var head [5]byte
		if _, err := io.ReadFull(w.in, head[:4]); err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(head[:4])
		if length == 0 || int64(length) > max(maxPacket, w.opt.MaxBody+1) {
			return fmt.Errorf("%w: a packet of %d octets", errNonsense, length)
		}
		code, err := w.in.ReadByte()
		if err != nil {
			return err
		}
		head[4] = code
		rest := int64(length) - 1
		if code == packetBody {
			if err := w.keep(rest); err != nil {
				return err
			}
			continue
		}
		if err := w.count(code, int(length)); err != nil {
			return err
		}
		data := make([]byte, rest)
		if _, err := io.ReadFull(w.in, data); err != nil {
			return err
		}
		if code != packetProgress {
			w.hand(head, data)
			return nil
		}
	}
}

// count holds a packet against what may still come.
func (w *wire) count(code byte, length int) error {
	if length > maxPacket {
		return fmt.Errorf("%w: a packet of %d octets", errNonsense, length)
	}
	w.left -= length + 4
	if bytes.IndexByte([]byte(packetsChange), code) >= 0 {
		w.changes--
	}
	if w.left < 0 || w.changes < 0 {
		return errTooMuch
	}
	return nil
}

// keep reads a part of a new body.
func (w *wire) keep(length int64) error {
	if int64(w.body.Len())+length > w.opt.MaxBody {
		return fmt.Errorf("%w: a body of more than %d octets", errTooMuch, w.opt.MaxBody)
	}
	w.replaced = true
	_, err := io.CopyN(&w.body, w.in, length) // which grows as it comes
	return err
}

// hand makes a packet the library's.
func (w *wire) hand(head [5]byte, data []byte) {
	switch {
	case head[4] == packetDiscard:
		w.discarded = true
		head[4] = packetAccept
	case head[4] == packetOptNeg && len(data) > optNegLength:
		data = data[:optNegLength]
	}
	binary.BigEndian.PutUint32(head[:4], uint32(len(data)+1))
	w.pending = append(head[:], data...)
}

// farewell is how long the last words may take.
const farewell = time.Second

// Close implements net.Conn. It sends what is left, which is the end of the conversation.
func (w *wire) Close() error {
	w.stop()
	if w.err == nil && len(w.unsent) > 0 && w.ctx.Err() == nil {
		_ = w.Conn.SetDeadline(time.Now().Add(farewell))
		_, _ = w.Conn.Write(w.unsent) // who has gone needs none
	}
	return w.Conn.Close()
}

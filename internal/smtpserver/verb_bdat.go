package smtpserver

import (
	"errors"
	"io"
	"strconv"
	"time"

	"countersign/internal/smtp"
	"countersign/internal/smtp/strict"
	"countersign/internal/smtpserver/bounds"
)

// errAbandoned is what the backend reads when the client gave the message up
// between two chunks.
var errAbandoned = errors.New("smtpserver: message abandoned between chunks")

// chunks is the message that a row of BDAT commands brings (RFC 3030 section
// 2), as one stream. The backend's Data reads it, and where a chunk ends within that
// reading, the next commands are read and run in between: so there is one
// goroutine, one message in memory at no time, and the client is answered per chunk.
type chunks struct {
	c       *session
	checker *strict.ChunkChecker
	// chunk is the current one; size and last are of its command.
	chunk *strict.ChunkReader
	size  int64
	last  bool
	// end is when the whole message must be there.
	end time.Time
	// tail is what is left to be supplied after the last chunk.
	tail string
	// complete says that the last chunk has been read.
	complete bool
}

// bdat runs BDAT.
func (c *session) bdat(args string) {
	size, last, err := smtp.ParseBdat(args)
	if err != nil {
		c.refuse("BDAT", smtp.ReplyFor(err), countError)
		c.end(closedProtocol, true) // how many octets follow is not known
		return
	}
	if c.tooLong(size) {
		return
	}
	switch c.state {
	case stateFailed:
		if c.skipChunk(size) {
			c.refuse("BDAT", smtp.Refusal(smtp.EBdatSequence, "the message has been refused already"), countNothing)
		}
		if last && c.closing == "" {
			c.setState(stateReady)
		}
	case stateChunks:
		c.chunks.begin(size, last)
	default:
		c.firstChunk(size, last)
	}
}

// bdatRefused consumes the chunk behind a refused BDAT (RFC 3030 section 2:
// the octets are sent all the same), or ends the session where it cannot.
func (c *session) bdatRefused(args string) {
	size, _, err := smtp.ParseBdat(args)
	if err != nil {
		c.end(closedProtocol, true)
		return
	}
	c.skipChunk(size)
}

// maxChunk is the longest chunk that is read at all, in octets.
func (c *session) maxChunk() int64 {
	if c.limits.MaxMessageBytes > 0 {
		return c.limits.MaxMessageBytes
	}
	return strict.DefaultMaxDrain
}

// tooLong refuses a chunk that is larger than a whole message may be, and ends
// the session: reading it to its end is not worth it.
func (c *session) tooLong(size int64) bool {
	limit := c.limits.MaxMessageBytes
	if limit <= 0 || size <= limit {
		return false
	}
	c.refuse("BDAT", smtp.Refusal(smtp.EMessageTooLarge, strconv.FormatInt(limit, 10)), countNothing)
	c.end(closedNeverEnded, true)
	return true
}

// skipChunk reads a chunk and throws it away. It reports false when the
// session has ended over it: also where such chunks go on for longer than a whole
// message may be.
func (c *session) skipChunk(size int64) bool {
	t := c.limits.Timeouts
	c.wire.ExpectBody(t.DataProgress, time.Now().Add(t.DataTotal))
	if size > c.maxChunk()+bounds.DrainSlack-c.skipped {
		c.end(closedNeverEnded, true)
		return false
	}
	c.skipped += size
	chunk := c.wire.Reader().Chunk(size, strict.NewChunkChecker(strict.DataOptions{MaxDrain: max(size, 1)}))
	if err := chunk.Drain(); err != nil {
		c.readFailed(err)
		return false
	}
	return true
}

// firstChunk runs the whole message, from its first chunk to the answer to its last.
func (c *session) firstChunk(size int64, last bool) {
	ch := &chunks{
		c:       c,
		checker: strict.NewChunkChecker(c.limits.Content()),
		end:     time.Now().Add(c.limits.Timeouts.DataTotal),
	}
	c.chunks = ch
	c.setState(stateChunks)
	ch.begin(size, last)
	body := &body{r: ch}
	id, err := c.deliver(body)
	c.chunks = nil
	if c.closing != "" {
		c.setState(stateReady)
		return
	}
	if d := c.deferred; d != nil {
		c.deferred = nil
		c.setState(stateReady) // the backend's transaction is over
		d.verb.run(c, d.args)
		return
	}
	if lost := body.lost(); lost != nil {
		c.setState(stateReady)
		c.readFailed(lost)
		return
	}
	err = body.verdict(err)
	if err == nil && !ch.complete {
		err = errAbandoned
		c.srv.opt.Logger.Error("a message was accepted unread", "session", c.peer.ID.String(), "submission", id.String())
	}
	drain := ch.chunk.Drain()
	c.setState(stateFailed)
	if ch.last {
		c.setState(stateReady)
	}
	c.answerMessage("BDAT", id, err, drain)
}

// begin takes up the next chunk.
func (ch *chunks) begin(size int64, last bool) {
	c := ch.c
	ch.size, ch.last = size, last
	ch.chunk = c.wire.Reader().Chunk(size, ch.checker)
	c.wire.ExpectBody(c.limits.Timeouts.DataProgress, ch.end)
}

// Read implements io.Reader for the backend. Errors: io.EOF after the last
// chunk, *strict.DataError for a violation, errAbandoned when the client gave up, else the
// connection's.
func (ch *chunks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for !ch.complete {
		n, err := ch.chunk.Read(p)
		if err != io.EOF {
			return n, err
		}
		if ch.last {
			if err := ch.finish(); err != nil {
				return 0, err
			}
			break
		}
		ch.c.reply(smtp.ChunkOK(ch.size))
		if err := ch.next(); err != nil {
			return 0, err
		}
	}
	if ch.tail == "" {
		return 0, io.EOF
	}
	n := copy(p, ch.tail)
	ch.tail = ch.tail[n:]
	return n, nil
}

// next runs commands until one of them is the next BDAT.
func (ch *chunks) next() error {
	c := ch.c
	for done := ch.chunk; ch.chunk == done; {
		c.next(ch.end)
		if c.closing != "" || c.deferred != nil {
			return errAbandoned
		}
	}
	return nil
}

// finish ends the message. Its last line gets the CRLF that DATA would have
// brought, as it may go on by DATA.
func (ch *chunks) finish() error {
	if err := ch.checker.Finish(); err != nil {
		return err
	}
	ch.complete = true
	if ch.checker.InLine() {
		ch.tail = "\r\n"
	}
	return nil
}

package smtpserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/internal/smtpserver/wire"
)

// tape is a connection whose client has said everything beforehand.
type tape struct {
	in   *bytes.Reader
	step int
	out  bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	return c.in.Read(p[:min(len(p), max(c.step, 1))])
}
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return nil }
func (c *tape) RemoteAddr() net.Addr             { return nil }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// playTape runs a session over what a client says, as over TLS if secure, and
// returns what the server answered.
func playTape(d *double, said []byte, step int, secure bool) string {
	limits := testLimits()
	limits.MaxMessageBytes = 2000
	srv := New(Options{Hostname: "mx.test", Backend: d, Limits: limits})
	defer srv.Close()
	conn := &tape{in: bytes.NewReader(said), step: step}
	c := &session{
		srv: srv, wire: wire.New(conn, srv.buffers), limits: srv.limits.Load(), began: time.Now(),
		listener: &ListenerConfig{Name: "tape", TLS: testTLS},
	}
	if secure {
		c.tls = &tls.Conn{} // only whether there is one is looked at
		d.secure = true
	}
	c.run()
	return conn.out.String()
}

// FuzzSession runs whole sessions against a model that knows only what a
// client may rely on: each command line has its reply, in order; the octets of a
// message or chunk have none; what is acknowledged is kept as it was sent. If the server
// took any octet of a message for a command, or lost its place otherwise, the replies
// would not add up. That the backend is called in legal order, the double checks.
func FuzzSession(f *testing.F) {
	const login = "EHLO c.test\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\n"
	const begin = login + "MAIL FROM:<user@c.test>\r\nRCPT TO:<a@b.test>\r\n"
	for _, seed := range []string{
		login + "QUIT\r\n",
		begin + "DATA\r\nhi\r\n..\r\n.\r\nNOOP\r\n",
		begin + "DATA\r\nhi\n.\nMAIL FROM:<x@c.test>\r\n.\r\nNOOP\r\n",
		begin + "DATA\r\nhi\r\n.\n\r\n.\r\nRSET\r\n",
		begin + "BDAT 6\r\nQUIT\r\nNOOP\r\nBDAT 4 LAST\r\nhi\r\nQUIT\r\n",
		begin + "BDAT 3\r\na\nbBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
		begin + "BDAT 6\r\nQUIT\r\nRSET\r\nMAIL FROM:<user@c.test>\r\n",
		begin + "BDAT 9999 LAST\r\nQUIT\r\n",
		begin + "BDAT x\r\nQUIT\r\n",
		begin + "RSET\r\nBDAT 6 LAST\r\nQUIT\r\nDATA\r\nhi\r\n.\r\n",
		"EHLO c.test\r\nAUTH ASK\r\nAA==\r\nc2VjcmV0\r\nMAIL FROM:<>\r\n",
		"EHLO c.test\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\nAUTH X\r\n",
		"NOOP\nQUIT\r\n", "NOOP\r\rQUIT\r\n", "STARTTLS\r\nEHLO x\r\n", "STARTTLS\r\n", "\x16\x03\x01", "FOO\r\nFOO\r\nFOO\r\n",
		"GET / HTTP/1.1\r\n", "HELO c\r\nVRFY x\r\nHELP\r\n", "EHLO \x00\r\n", "NOOP " + strings.Repeat("x", 600) + "\r\nNOOP\r\n",
	} {
		f.Add([]byte(seed), 7, true)
		f.Add([]byte(seed), 5000, true)
		f.Add([]byte(seed), 5000, false)
	}
	f.Fuzz(func(t *testing.T, said []byte, step int, secure bool) {
		d := &double{}
		answer := playTape(d, said, step, secure)
		for _, fault := range d.broken {
			t.Errorf("contract: %s", fault)
		}
		m := &model{t: t, rest: said, in: bufio.NewReader(strings.NewReader(answer)), kept: d.kept(), secure: secure}
		m.run()
		if t.Failed() {
			t.Errorf("client said %q\nserver said %q", said, answer)
		}
	})
}

// model follows a session from outside.
type model struct {
	t      *testing.T
	rest   []byte
	in     *bufio.Reader
	kept   []string
	secure bool
	// chunks are the octets of accepted BDAT so far.
	chunks []byte
	// mayBeOver says that the server may have ended the session without a word: a
	// DATA was refused, and it has seen that more came behind it.
	mayBeOver bool
	over      bool
}

// run follows the session to its end and wants nothing to be left over.
func (m *model) run() {
	if !strings.HasPrefix(m.next(), "220") {
		m.t.Error("no greeting")
		return
	}
	if !m.secure && len(m.rest) > 0 && m.rest[0] == tlsRecordHandshake {
		m.next()
		m.over = true
	}
	for !m.over {
		m.command()
	}
	if reply := m.next(); reply != "" && !strings.HasPrefix(reply, "421") {
		m.t.Errorf("one reply too many: %q", reply)
	}
	if reply := m.next(); reply != "" {
		m.t.Errorf("replies too many: %q", reply)
	}
	if len(m.kept) != 0 {
		m.t.Errorf("kept without acknowledgement: %q", m.kept)
	}
}

// next returns the next reply, "" at the end.
func (m *model) next() string {
	text, err := readReply(m.in)
	if err != nil && (err != io.EOF || text != "") {
		m.t.Errorf("reply %q: %v", text, err)
	}
	return text
}

var bdatLine = regexp.MustCompile(`^(?i:BDAT) ([0-9]{1,18})( (?i:LAST))? *$`)

// command follows one command line.
func (m *model) command() {
	end := bytes.IndexByte(m.rest, '\n')
	if end < 0 || end+1 > lineLongest {
		m.broken(lineLongest)
		return
	}
	line := m.rest[:end]
	m.rest = m.rest[end+1:]
	text := strings.TrimSuffix(string(line), "\r")
	reply := m.next()
	if reply == "" && m.mayBeOver || strings.HasPrefix(reply, "421") {
		m.over = true
		return
	}
	if text == string(line) || strings.ContainsAny(text, "\r\x00") {
		m.wantCode(reply, "500")
		m.over = true
		return
	}
	verb, _, _ := strings.Cut(strings.ToUpper(text), " ")
	m.mayBeOver = verb == "DATA"
	switch {
	case reply == "" && m.unfinishedChunk(text):
		m.over = true
	case reply == "":
		m.t.Errorf("no reply to %q", text)
		m.over = true
	case strings.HasPrefix(reply, "221"), strings.HasPrefix(reply, "554"):
		m.over = true
	case strings.HasPrefix(reply, "354"):
		m.wantVerb(verb, "DATA")
		m.data()
	case strings.HasPrefix(reply, "334"):
		m.wantVerb(verb, "AUTH")
		m.exchange()
	case strings.HasPrefix(reply, "220"):
		m.wantVerb(verb, "STARTTLS")
		m.over = true // no handshake comes
	case strings.HasPrefix(verb, "BDAT"):
		m.bdat(text, reply)
	case verb == "RSET" || verb == "EHLO" || verb == "HELO":
		if reply[0] == '2' {
			m.chunks = nil
		}
	}
}

// broken is a line that never ends, or too late: the server may say so.
func (m *model) broken(limit int) {
	if reply := m.next(); reply != "" {
		if !strings.HasPrefix(reply, "421") { // for the line before
			m.wantCode(reply, "500")
		}
		if reply[0] == '5' && len(m.rest) <= limit-2 {
			m.t.Errorf("an answer to an unfinished line: %q", reply)
		}
	}
	m.over = true
}

// exchange follows the lines of an AUTH exchange up to its outcome.
func (m *model) exchange() {
	for {
		end := bytes.IndexByte(m.rest, '\n')
		if end < 0 || end+1 > lineResponse {
			m.broken(lineResponse)
			return
		}
		line := m.rest[:end]
		m.rest = m.rest[end+1:]
		reply := m.next()
		text := strings.TrimSuffix(string(line), "\r")
		if text == string(line) || strings.ContainsAny(text, "\r\x00") {
			m.wantCode(reply, "500")
			m.over = true
			return
		}
		if !strings.HasPrefix(reply, "334") {
			m.over = strings.HasPrefix(reply, "421")
			return
		}
	}
}

// data follows the message behind DATA.
func (m *model) data() {
	body, rest, ended := bytes.Cut(append([]byte("\r\n"), m.rest...), []byte("\r\n.\r\n"))
	if !ended {
		if reply := m.next(); reply != "" {
			m.t.Errorf("an answer to an unfinished message: %q", reply)
		}
		m.over = true
		return
	}
	m.rest = rest
	text := strings.ReplaceAll(string(body)+"\r\n", "\r\n.", "\r\n")[2:]
	m.outcome(m.next(), text)
}

// bdat follows a BDAT whose reply has been read: of the chunk, or of a line
// that is none.
func (m *model) bdat(text, reply string) {
	match := bdatLine.FindStringSubmatch(text)
	if match == nil {
		m.over = true // the chunk's length is not known, so nothing may follow
		m.wantRefused(reply)
		return
	}
	size, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		m.t.Fatal(err)
	}
	if size > int64(len(m.rest)) {
		m.wantRefused(reply)
		m.over = true
		return
	}
	chunk := m.rest[:size]
	m.rest = m.rest[size:]
	switch {
	case strings.Contains(reply, " queued as "):
		m.chunks = append(m.chunks, chunk...)
		whole := string(m.chunks)
		if whole != "" && !strings.HasSuffix(whole, "\r\n") {
			whole += "\r\n"
		}
		m.chunks = nil
		m.outcome(reply, whole)
	case reply[0] == '2':
		m.chunks = append(m.chunks, chunk...)
	default:
		m.chunks = nil
		if strings.HasPrefix(reply, "552") && size > 2000 {
			m.over = true
		}
	}
}

// unfinishedChunk reports whether text is a BDAT whose chunk has not come in full.
func (m *model) unfinishedChunk(text string) bool {
	match := bdatLine.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	size, err := strconv.ParseInt(match[1], 10, 64)
	return err == nil && size > int64(len(m.rest))
}

// outcome checks that a message is kept if it is acknowledged.
func (m *model) outcome(reply, text string) {
	if !strings.HasPrefix(reply, "250 ") {
		m.wantRefused(reply)
		return
	}
	if len(m.kept) == 0 || m.kept[0] != text {
		m.t.Errorf("acknowledged %q, kept %q", text, m.kept)
		m.over = true
		return
	}
	m.kept = m.kept[1:]
}

func (m *model) wantCode(reply, code string) {
	if !strings.HasPrefix(reply, code) {
		m.t.Errorf("reply %q, want %s", reply, code)
		m.over = true
	}
}

func (m *model) wantVerb(verb, want string) {
	if verb != want {
		m.t.Errorf("a reply of %s to %q", want, verb)
	}
}

func (m *model) wantRefused(reply string) {
	if reply == "" || reply[0] != '4' && reply[0] != '5' {
		m.t.Errorf("reply %q, want a refusal", reply)
		m.over = true
	}
}

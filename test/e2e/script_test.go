package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
)

// patience bounds each wait of a script.
const patience = 20 * time.Second

// script runs one dialogue. The words, one a line:
//
//	# …                a remark
//	connect NAME       open a connection to "submission" or "submissions", or to a listener
//	                   of the dialogue's own extra.toml
//	raw NAME           the same without TLS of any kind and without reading the greeting
//	tls                make TLS on the connection
//	card NAME          show this certificate in handshakes from now on: "printer", "stranger"
//	                   or "none"
//	revoke NAME        the authority revokes that certificate, in a new list
//	feels TEXT         send NOOP again and again until the reply begins with TEXT
//	auth               AUTH PLAIN as the demo account, which must succeed
//	plain: LOGIN PW    send AUTH PLAIN with this login and password
//	C: TEXT            send TEXT and CRLF; a text in Go quotes is sent as it is, without CRLF
//	lines: N           send N lines of 78 octets and CRLF
//	octets: N          send N octets without line ends
//	S: TEXT            read one reply; its last line must begin with TEXT
//	S~ REGEXP          read nothing; a line of the last reply must match
//	S! REGEXP          read nothing; no line of the last reply may match
//	within: C => TEXT  send C, and RSET, again and again until the reply to C begins
//	                   with TEXT, which must be so within a second
//	sends: N => TEXT   a message of {login} with subject {n} to N recipients must end in a reply
//	                   that begins with TEXT, which must be so within a second; it is sent
//	                   again until then
//	closed             the server must have ended the connection
//	recipient: full    from now on the demo recipient refuses all for the moment …
//	recipient: well    … and takes it again
//	run: ARGS          run the binary with these arguments; it must succeed
//	fail: ARGS         the same; it must fail
//	out~ REGEXP        what the last run printed must match
//	secret~ REGEXP     what the last run printed must match; the group is {secret} from now on
//	eventually: ARGS   the same as run, tried until its output matches the next out~ line
//	arrives~ REGEXP    a message that matches must have arrived at the demo recipient
//	events: KINDS      the record of the last submission's session must hold these kinds in this order
//
// {login}, {id} (the last submission's id), {session} (the id in the last
// refusal), {secret} and {n} (a number unique to this run) are filled in.
type script struct {
	t    *testing.T
	gate *harness.Demo
	// own is the gate where it is the dialogue's own, else nil.
	own *own
	// shown is the certificate that the client shows.
	shown tls.Certificate
	line  int
	conn  net.Conn
	in    *bufio.Reader
	// last is the last reply's lines.
	last []string
	// out is what the last run printed.
	out string
	// pending are the arguments of an eventually line.
	pending string
	// id is the last submission's id.
	id string
	// session is the id that stands in the last refusal.
	session string
	// secret is what a run has printed once.
	secret string
	// n makes the texts of this run its own.
	n string
}

func (s *script) run(text string) {
	s.t.Helper()
	s.n = strconv.FormatInt(time.Now().UnixNano(), 36)
	for i, line := range strings.Split(text, "\n") {
		s.line = i + 1
		line = strings.TrimRight(line, " \r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line = s.fill(line)
		s.step(line)
	}
	if s.conn != nil {
		s.conn.Close()
	}
}

// fatalf fails with the script's line.
func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("dialogue.txt:%d: "+format, append([]any{s.line}, args...)...)
}

func (s *script) step(line string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "connect", "raw":
		s.connect(word, rest)
	case "tls":
		s.secure()
	case "card":
		s.card(rest)
	case "revoke":
		s.own.revoke(s.t, rest)
	case "feels":
		s.feels(rest)
	case "auth":
		s.plain(s.gate.Login, s.gate.Password)
		s.expect("235 ")
	case "plain:":
		login, password, _ := strings.Cut(rest, " ")
		s.plain(login, password)
	case "C:":
		s.say(rest)
	case "lines:":
		s.repeat(rest, strings.Repeat("x", 78)+"\r\n")
	case "octets:":
		s.repeat(rest, "x")
	case "S:":
		s.expect(rest)
	case "S~", "S!":
		s.match(rest, word == "S~")
	case "within:":
		s.within(rest)
	case "sends:":
		s.sends(rest)
	case "closed":
		s.closed()
	case "recipient:":
		s.recipient(rest)
	case "run:":
		s.execute(rest, true)
	case "fail:":
		s.execute(rest, false)
	case "eventually:":
		s.pending = rest
	case "out~":
		s.output(rest)
	case "secret~":
		s.keep(rest)
	case "arrives~":
		s.arrives(rest)
	case "events:":
		s.events(strings.Fields(rest))
	default:
		s.fatalf("unknown word %q", word)
	}
}

func (s *script) connect(word, name string) {
	s.t.Helper()
	address := s.gate.Submission
	if name == "submissions" {
		address = s.gate.Submissions
	}
	if s.own != nil && s.own.addresses[name] != "" {
		address = s.own.addresses[name]
	}
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		s.fatalf("%v", err)
	}
	if s.conn != nil {
		s.conn.Close()
	}
	s.use(conn)
	if word == "raw" {
		return
	}
	if name == "submissions" || s.own.implicit(name) {
		s.secure()
	}
	s.expect("220 ")
}

func (s *script) use(conn net.Conn) {
	s.conn, s.in = conn, bufio.NewReader(conn)
}

func (s *script) secure() {
	s.t.Helper()
	conn := tls.Client(s.conn, &tls.Config{
		RootCAs: s.gate.Roots(s.t), ServerName: "localhost",
		// It is shown whatever is asked for.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &s.shown, nil },
	})
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.fatalf("%v", err)
	}
	if err := conn.Handshake(); err != nil {
		s.fatalf("TLS: %v", err)
	}
	s.use(conn)
}

func (s *script) say(text string) {
	s.t.Helper()
	if strings.HasPrefix(text, `"`) {
		raw, err := strconv.Unquote(text)
		if err != nil {
			s.fatalf("%v", err)
		}
		s.send(raw)
		return
	}
	s.send(text + "\r\n")
}

// fill puts what is known by now in the place of names in braces.
func (s *script) fill(text string) string {
	return strings.NewReplacer("{login}", s.gate.Login, "{id}", s.id, "{session}", s.session, "{secret}", s.secret, "{n}", s.n).Replace(text)
}

func (s *script) send(raw string) {
	s.t.Helper()
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.fatalf("%v", err)
	}
	if _, err := io.WriteString(s.conn, raw); err != nil {
		s.fatalf("sending: %v", err)
	}
}

// plain sends AUTH PLAIN (RFC 4616 section 2).
func (s *script) plain(login, password string) {
	s.t.Helper()
	s.send("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password)) + "\r\n")
}

// repeat sends a text many times.
func (s *script) repeat(count, text string) {
	s.t.Helper()
	n, err := strconv.Atoi(count)
	if err != nil {
		s.fatalf("%v", err)
	}
	const atOnce = 1000
	for ; n > 0; n -= atOnce {
		s.send(strings.Repeat(text, min(n, atOnce)))
	}
}

// recipient takes the demo recipient's folder away, so that it can keep
// nothing and says 451, or puts it back.
func (s *script) recipient(how string) {
	s.t.Helper()
	from, to := s.gate.MailDir, s.gate.MailDir+".away"
	switch how {
	case "full":
	case "well":
		from, to = to, from
	default:
		s.fatalf("a recipient is full or well, not %q", how)
	}
	if err := os.Rename(from, to); err != nil {
		s.fatalf("%v", err)
	}
}

// expect reads a reply and compares its last line.
func (s *script) expect(want string) {
	s.t.Helper()
	s.last = nil
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.fatalf("waiting for %q: %v (so far %q)", want, err, s.last)
		}
		line = strings.TrimRight(line, "\r\n")
		s.last = append(s.last, line)
		if len(line) < 4 || line[3] != '-' {
			break
		}
	}
	final := s.last[len(s.last)-1]
	if !strings.HasPrefix(final, want) {
		s.fatalf("got %q, want %q", s.last, want)
	}
	if m := regexp.MustCompile(`^[45].*(?: \[|\?id=)([0-9A-Z]{26})\]?$`).FindStringSubmatch(final); m != nil {
		s.session = m[1]
	}
	if m := regexp.MustCompile(`queued as ([0-9A-Z]{26})`).FindStringSubmatch(final); m != nil {
		s.id = m[1]
	}
}

// felt is how soon a change must be felt by an open session.
const felt = time.Second

func (s *script) within(rest string) {
	s.t.Helper()
	command, want, ok := strings.Cut(rest, " => ")
	if !ok {
		s.fatalf("no => in %q", rest)
	}
	pause := time.NewTicker(felt / 40) // the gate ends sessions that only chatter
	defer pause.Stop()
	for start := time.Now(); ; <-pause.C {
		s.send(command + "\r\n")
		s.expect("")
		if strings.HasPrefix(s.last[len(s.last)-1], want) {
			return
		}
		if time.Since(start) > felt {
			s.fatalf("after %v still %q, want %q", felt, s.last, want)
		}
		s.send("RSET\r\n")
		s.expect("250 ")
	}
}

func (s *script) sends(rest string) {
	s.t.Helper()
	number, want, ok := strings.Cut(rest, " => ")
	recipients, err := strconv.Atoi(number)
	if !ok || err != nil {
		s.fatalf("%q is not N => TEXT", rest)
	}
	pause := time.NewTicker(felt / 20)
	defer pause.Stop()
	for start := time.Now(); ; <-pause.C {
		s.message(recipients)
		if strings.HasPrefix(s.last[len(s.last)-1], want) {
			return
		}
		if time.Since(start) > felt {
			s.fatalf("after %v still %q, want %q", felt, s.last, want)
		}
	}
}

// message sends one to so many recipients. A recipient whom a limit refuses ends it, as the gate
// may know at RCPT that there is no room.
func (s *script) message(recipients int) {
	s.t.Helper()
	s.send(s.fill("MAIL FROM:<{login}>\r\n"))
	s.expect("250 ")
	for n := range recipients {
		s.send(fmt.Sprintf("RCPT TO:<friend%d@example.com>\r\n", n))
		s.expect("")
		if refused := s.last; !strings.HasPrefix(refused[len(refused)-1], "250 ") {
			s.send("RSET\r\n")
			s.expect("250 ")
			s.last = refused
			return
		}
	}
	s.send("DATA\r\n")
	s.expect("354 ")
	s.send(s.fill("From: <{login}>\r\nSubject: {n}\r\n\r\nx\r\n.\r\n"))
	s.expect("")
}

func (s *script) match(pattern string, want bool) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	found := false
	for _, line := range s.last {
		found = found || re.MatchString(line)
	}
	if found != want {
		s.fatalf("%q in %q is %v, want %v", pattern, s.last, found, want)
	}
}

func (s *script) closed() {
	s.t.Helper()
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.fatalf("%v", err)
	}
	rest, err := io.ReadAll(s.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		s.fatalf("the connection is still open")
	}
	if len(rest) > 0 {
		s.fatalf("before the end came %q", rest)
	}
}

// execute runs the binary's own command line on the demo gate's configuration.
func (s *script) execute(args string, ok bool) {
	s.t.Helper()
	out, err := s.command(args)
	s.out = out
	if (err == nil) != ok {
		s.fatalf("countersign %s: %v\n%s", args, err, out)
	}
}

func (s *script) command(args string) (string, error) {
	stdin := ""
	if before, after, ok := strings.Cut(args, " < "); ok {
		args, stdin = before, after+"\n"
	}
	words := append(strings.Fields(args), "--config", s.gate.Config)
	cmd := harness.Command(s.t, words...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *script) output(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	if s.pending == "" {
		if !re.MatchString(s.out) {
			s.fatalf("%q is not in:\n%s", pattern, s.out)
		}
		return
	}
	args := s.pending
	s.pending = ""
	s.until(func() bool {
		s.out, _ = s.command(args)
		return re.MatchString(s.out)
	}, func() string { return pattern + " is not in:\n" + s.out })
}

// keep takes what the group of a pattern matches in what the last run printed.
func (s *script) keep(pattern string) {
	s.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(s.out)
	if len(m) != 2 {
		s.fatalf("%q is not in:\n%s", pattern, s.out)
	}
	s.secret = m[1]
}

// until waits for a condition that another process brings about.
func (s *script) until(done func() bool, what func() string) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			s.fatalf("waited in vain: %s", what())
		}
	}
}

func (s *script) arrives(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	s.until(func() bool {
		files, err := filepath.Glob(filepath.Join(s.gate.MailDir, "*.eml"))
		if err != nil {
			s.fatalf("%v", err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && re.Match(text) {
				return true
			}
		}
		return false
	}, func() string { return "no message that matches " + pattern })
}

// events compares the record of the last submission with the kinds wanted, in
// order; others may stand between them.
func (s *script) events(want []string) {
	s.t.Helper()
	var got []string
	s.until(func() bool {
		out, err := s.command("trace " + s.id + " --json")
		if err != nil {
			s.fatalf("trace: %v\n%s", err, out)
		}
		got = kinds(out)
		return inOrder(got, want)
	}, func() string { return strings.Join(got, " ") })
}

// kinds takes the event kinds out of trace's JSON, whatever else it holds.
func kinds(out string) []string {
	var doc any
	if json.Unmarshal([]byte(out), &doc) != nil {
		return nil
	}
	var found []string
	var visit func(any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			for _, key := range []string{"kind", "Kind"} {
				if k, ok := v[key].(string); ok {
					found = append(found, k)
				}
			}
			for _, key := range []string{"events", "Events"} {
				visit(v[key])
			}
		}
	}
	visit(doc)
	return found
}

func inOrder(got, want []string) bool {
	i := 0
	for _, k := range got {
		if i < len(want) && k == want[i] {
			i++
		}
	}
	return i == len(want)
}

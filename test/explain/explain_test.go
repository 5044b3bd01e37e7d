// Package explain holds what "countersign explain" says of messages against what the gate
// then does with them.
package explain

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// scenario is a state of the gate, and a message.
type scenario struct {
	name string
	// set and undo are commands before and after.
	set, undo [][]string
	// limit is one of the account while it is so, which sent says is used up.
	limit []string
	sent  bool
	// from and header are MAIL FROM and From, "" for the account's address.
	from, header string
	to           []string
	// lines are more of the header, body is the body.
	lines, body string
	// want is the verdict, reason why.
	want, reason string
}

const to = "b@example.com"

// Rules of the operator.
const (
	typo   = "[[rule]]\nname = \"typo\"\nat = \"rcpt\"\nwhen = \"envelope.recipient.domain() == 'gmial.example'\"\nverdict = \"refuse\"\nbecause = \"Did you mean gmail?\"\n"
	secret = "[[rule]]\nname = \"secret\"\nat = \"data\"\nwhen = \"message.header.count('X-Secret') > 0\"\nverdict = \"hold\"\nbecause = \"It is secret.\"\n"
)

func mode(name string) [][]string {
	return [][]string{{"account", "set", harness.Login, "--sender-mode", name}}
}

func scenarios() []scenario {
	return []scenario{
		{name: "a message", want: "accept"},
		{name: "a foreign envelope sender", from: "else@example.net", want: "refuse", reason: "sender-not-owned"},
		{name: "no envelope sender", from: "<>", want: "refuse", reason: "null-sender-not-allowed"},
		{name: "a foreign From", header: "else@example.net", want: "refuse", reason: "header-sender-not-owned"},
		{name: "a foreign Sender", lines: "Sender: <else@example.net>\r\n", want: "refuse", reason: "header-sender-not-owned"},
		{name: "two From", lines: "From: <" + harness.Login + ">\r\n", want: "refuse", reason: "header-from-multiple"},
		{name: "a loop", lines: strings.Repeat("Received: from a by b; Fri, 27 Nov 2026 08:00:00 +0000\r\n", 60), want: "refuse", reason: "loop-detected"},
		{name: "a long line", body: strings.Repeat("x", 1200) + "\r\n", want: "refuse", reason: "data-line-too-long"},
		{name: "a full hour", sent: true, limit: []string{"messages/hour=1"}, want: "defer", reason: "limit-reached"},
		{name: "a full hour that refuses", sent: true, limit: []string{"messages/hour=1", "--action", "refuse"}, want: "refuse", reason: "limit-refused"},
		{name: "a full hour that holds", sent: true, limit: []string{"messages/hour=1", "--action", "hold"}, want: "hold", reason: "over-limit"},
		{name: "a full hour that slows down", sent: true, limit: []string{"messages/hour=1", "--action", "slow"}, want: "slow", reason: "slowed"},
		{name: "too many recipients at once", limit: []string{"recipients/day=1"}, to: []string{to, "c@example.com"}, want: "refuse", reason: "limit-refused"},
		{name: "a full hour in shadow", sent: true, limit: []string{"messages/hour=1", "--shadow"}, want: "accept"},
		{name: "new recipients", limit: []string{"new-recipients/hour=1"}, to: []string{"x@example.com", "y@example.com"}, want: "refuse", reason: "limit-refused"},
		{name: "too many recipients of a message", set: [][]string{}, limit: []string{"recipients/message=1"}, to: []string{to, "c@example.com"}, want: "accept"},
		{name: "recipients of a message that holds", set: [][]string{}, limit: []string{"recipients/message=1", "--action", "hold"}, to: []string{to, "c@example.com"}, want: "hold", reason: "over-limit"},
		{name: "too large a message", set: [][]string{}, limit: []string{"bytes/message=100"}, body: strings.Repeat("0123456789\r\n", 20), want: "refuse", reason: "limit-size"},
		{name: "some recipients refused", to: []string{"x@gmial.example", to}, want: "accept"},
		{name: "all recipients refused", to: []string{"x@gmial.example"}, want: "refuse", reason: "rule-refused"},
		{name: "a rule about the content", body: "The secret is out.\r\n", lines: "X-Secret: yes\r\n", want: "hold", reason: "rule"},
		{name: "a foreign From in shadow", set: mode("shadow"), undo: mode("enforce"), header: "else@example.net", want: "accept"},
		{name: "a foreign From rewritten", set: mode("rewrite"), undo: mode("enforce"), header: "else@example.net", want: "accept"},
		{name: "on behalf without Sender", set: [][]string{{"grant", "add", harness.Login, "send-on-behalf", "boss@example.org"}},
			undo: [][]string{{"grant", "remove", harness.Login, "send-on-behalf", "boss@example.org"}}, header: "boss@example.org", want: "refuse", reason: "header-sender-missing"},
		{name: "as granted", set: [][]string{{"grant", "add", harness.Login, "send-as", "boss@example.org"}},
			undo: [][]string{{"grant", "remove", harness.Login, "send-as", "boss@example.org"}}, from: "boss@example.org", header: "boss@example.org", want: "accept"},
		{name: "too many recipients of a plan", set: [][]string{{"plan", "set", "small", "--max-recipients", "1"}}, undo: [][]string{{"plan", "set", "small", "--max-recipients", "0"}},
			to: []string{to, "c@example.com"}, want: "accept"},
		{name: "a suspended account", set: [][]string{{"account", "suspend", harness.Login}}, undo: [][]string{{"account", "resume", harness.Login}}, want: "refuse", reason: "auth-failed"},
		{name: "a large message", set: [][]string{{"plan", "set", "small", "--max-message-size", "1KiB"}}, undo: [][]string{{"plan", "set", "small", "--max-message-size", "0"}},
			body: strings.Repeat("0123456789\r\n", 200), want: "refuse", reason: "message-too-large"},
	}
}

// said is what explain prints.
type said struct {
	Verdict, Reason string
	Steps           []struct {
		Command string
		Code    int
		Answer  string
	}
}

// TestWhatIsSaidHappens asks explain, then sends.
func TestWhatIsSaidHappens(t *testing.T) {
	gate := harness.Serve(t, harness.FreePort(t), typo+secret)
	gate.Admin("", "plan", "add", "small")
	gate.Admin("", "account", "set", harness.Login, "--plan", "small")
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			for _, command := range s.set {
				gate.Admin("", command...)
			}
			defer func() {
				for _, command := range s.undo {
					gate.Admin("", command...)
				}
			}()
			if s.limit != nil {
				defer gate.Admin("", "limit", "lift", limited(t, gate, s.limit))
			}
			message := s.message()
			if s.sent { // the gate follows within a second
				harness.WaitFor(t, "a message to be counted", func() bool {
					send(t, gate, &s, message)
					return strings.Contains(gate.Admin("", "limit", "show", harness.Login, "--json"), `"left": 0`)
				})
			}
			told := ask(t, gate, &s, message)
			if told.Verdict != s.want || s.reason != "" && told.Reason != s.reason {
				t.Errorf("explain says %s (%s), want %s (%s): %+v", told.Verdict, told.Reason, s.want, s.reason, told.Steps)
			}
			last := told.Steps[len(told.Steps)-1]
			real := send(t, gate, &s, message)
			for deadline := time.Now().Add(5 * time.Second); s.set != nil && !alike(real, last.Code, last.Answer) && time.Now().Before(deadline); {
				real = send(t, gate, &s, message) // the gate follows within a second
			}
			if !alike(real, last.Code, last.Answer) {
				t.Errorf("explain says %d %s, the gate %s", last.Code, last.Answer, real)
			}
			if again := ask(t, gate, &s, message); s.limit == nil && s.undo == nil && again.Verdict != told.Verdict {
				t.Errorf("explain says %s then", again.Verdict)
			}
		})
	}
}

// limited sets a limit of the account, and returns its id.
func limited(t *testing.T, gate *harness.Gate, args []string) string {
	t.Helper()
	out := gate.Admin("", append([]string{"limit", "set", "--account", harness.Login}, args...)...)
	at := strings.LastIndex(out, "limit ")
	if at < 0 {
		t.Fatalf("no id in %q", out)
	}
	return strings.TrimSpace(out[at+len("limit "):])
}

func (s *scenario) message() string {
	header := harness.Login
	if s.header != "" {
		header = s.header
	}
	body := s.body
	if body == "" {
		body = "Hello.\r\n"
	}
	return "From: <" + header + ">\r\nTo: <" + to + ">\r\n" + s.lines + "Subject: x\r\n\r\n" + body
}

// recipients are those of the message.
func (s *scenario) recipients() []string {
	if s.to == nil {
		return []string{to}
	}
	return s.to
}

// ask has the message explained.
func ask(t *testing.T, gate *harness.Gate, s *scenario, message string) (told said) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"explain", harness.Login, "--message", file, "--json"}
	if s.from != "" {
		args = append(args, "--from", s.from)
	}
	for _, r := range s.recipients() {
		args = append(args, "--to", r)
	}
	out := gate.Told(args...)
	if start := strings.Index(out, "{"); start < 0 || json.NewDecoder(strings.NewReader(out[start:])).Decode(&told) != nil {
		t.Fatalf("explain says %s", out)
	}
	return told
}

// send sends it, and returns the last answer.
func send(t *testing.T, gate *harness.Gate, s *scenario, message string) string {
	t.Helper()
	c := talk.Open(t, gate)
	defer c.Raw.Close()
	c.Send(talk.Plain(harness.Login, harness.Password) + "\r\n")
	if reply := c.Reply(); !strings.HasPrefix(reply, "235 ") {
		return reply
	}
	from := s.from
	if from == "" {
		from = harness.Login
	}
	lines := []string{"MAIL FROM:<" + strings.Trim(from, "<>") + ">"}
	for _, r := range s.recipients() {
		lines = append(lines, "RCPT TO:<"+r+">")
	}
	reply, taken := "", 0
	for _, line := range lines {
		c.Send(line + "\r\n")
		switch reply = c.Reply(); {
		case reply[0] == '2':
			taken++
		case !strings.HasPrefix(line, "RCPT"):
			return reply
		}
	}
	if taken < 2 { // MAIL and a recipient
		return reply
	}
	c.Send("DATA\r\n")
	if reply = c.Reply(); reply[0] != '3' {
		return reply
	}
	c.Send(strings.ReplaceAll(message, "\r\n.", "\r\n..") + ".\r\n")
	return c.Reply()
}

// alike reports whether two answers have the same code and enhanced code.
func alike(real string, code int, answer string) bool {
	enhanced, _, _ := strings.Cut(answer, " ")
	number, rest, _ := strings.Cut(real, " ")
	got, _, _ := strings.Cut(rest, " ")
	return number == strconv.Itoa(code) && got == enhanced
}

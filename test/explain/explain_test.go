// Package explain holds what "countersign explain" says of messages against what the gate
// then does with them.
package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/test/harness"
)

// scenario is a state of the gate, and a message.
type scenario struct {
	name string
	// set and undo are commands before and after.
	set, undo [][]string
	// limit is one that there is while it is so, of the account where it begins with no flag; sent says
	// that it is used up.
	limit []string
	sent  bool
	// prepare brings about what takes more than commands, and returns what ends it.
	prepare func(w *world) (undo func())
	// ip is the client's address, "" for this machine's; hello is what it calls itself, "" for what no
	// device does.
	ip, hello string
	// credential is what it proves itself with, "" for the password.
	credential string
	// mech is by which mechanism, "" for PLAIN.
	mech string
	// from and header are MAIL FROM and From, "" for the account's address; header is "-" for none.
	from, header string
	to           []string
	// lines are more of the header, body is the body.
	lines, body string
	// want is the verdict, reason why. also is a reason that a part of it is refused for.
	want, reason, also string
	// cause is what the record has to say of a login that is refused.
	cause string
}

const to = "b@example.com"

// said is what explain prints.
type said struct {
	Verdict, Reason string
	Until           time.Time
	Steps           []struct {
		Command string
		Code    int
		Answer  string
	}
	Events []struct {
		Reason string
		Data   map[string]string
	}
}

// cause is why a login would be refused, as the record has it; "" for none.
func (s *said) cause() string {
	for _, e := range s.Events {
		if e.Data["cause"] != "" {
			return e.Data["cause"]
		}
	}
	return ""
}

// gives reports whether something in it has that reason.
func (s *said) gives(reason string) bool {
	if s.Reason == reason {
		return true
	}
	for _, e := range s.Events {
		if e.Reason == reason {
			return true
		}
	}
	return false
}

// TestWhatIsSaidHappens asks explain, then sends, with each engine.
func TestWhatIsSaidHappens(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		newWorld(t, "").playAll(t, scenarios())
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		newWorld(t, shared.Cluster(t).Database(t)).playAll(t, stored())
	})
}

// playAll plays scenarios, one after the other.
func (w *world) playAll(t *testing.T, list []scenario) {
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) { w.play(t, &s) })
	}
}

// play asks explain about a scenario, then plays it.
func (w *world) play(t *testing.T, s *scenario) {
	w.t = t
	for _, command := range s.set {
		w.Admin("", command...)
	}
	defer func() {
		for _, command := range s.undo {
			w.Admin("", command...)
		}
	}()
	if s.limit != nil {
		known := w.Metric("countersign_limit_rules")
		id := limited(t, w, s.limit)
		harness.WaitFor(t, "the gate to follow", func() bool { return w.Metric("countersign_limit_rules") > known })
		defer func() {
			w.Admin("", "limit", "lift", id)
			harness.WaitFor(t, "the gate to follow", func() bool { return w.Metric("countersign_limit_rules") == known })
		}()
	}
	if s.prepare != nil {
		defer s.prepare(w)()
	}
	message := s.message()
	if s.sent { // the gate follows within a second
		harness.WaitFor(t, "a message to be counted", func() bool {
			send(t, w, s, message)
			return w.full()
		})
	}
	told := ask(t, w, s, message)
	if s.cause != "" || s.hello != "" { // the guard of the gate itself is asked, too
		w.agrees(s, &told)
	}
	if told.Verdict != s.want || s.reason != "" && told.Reason != s.reason || s.also != "" && !told.gives(s.also) {
		t.Errorf("explain says %s (%s), want %s (%s %s): %+v", told.Verdict, told.Reason, s.want, s.reason, s.also, told.Steps)
	}
	real := send(t, w, s, message)
	wrong := w.differs(s, &told, real)
	for deadline := time.Now().Add(5 * time.Second); wrong != "" && s.limit == nil && time.Now().Before(deadline); {
		real = send(t, w, s, message) // the gate follows within a second
		wrong = w.differs(s, &told, real)
	}
	if wrong != "" {
		t.Errorf("explain says %s (%s) %+v, the gate %q: %s", told.Verdict, told.Reason, told.Steps, real, wrong)
	}
	if s.cause != "" {
		w.recorded(s)
	}
}

// page is the end of a refusal: the link to its help page.
var page = regexp.MustCompile(`/help/([a-z0-9-]+)\?id=[0-9A-Z]{26}$`)

// refused is the reason that a reply gives, "" for none.
func refused(reply string) string {
	if found := page.FindStringSubmatch(reply); found != nil {
		return found[1]
	}
	return ""
}

// differs says in what the answers of the gate, and what it did, are other than explain has said; "" for
// nothing.
func (w *world) differs(s *scenario, told *said, real []string) string {
	last, said := real[len(real)-1], told.Steps[len(told.Steps)-1]
	if !alike(last, said.Code, said.Answer) {
		return "the last answer"
	}
	if told.Verdict == "refuse" || told.Verdict == "defer" {
		// Where a limit is known to be full the gate says so earlier than it would in a rehearsal.
		if reason := refused(last); reason != told.Reason && !strings.HasSuffix(last, "]") { // which has no page
			return "the reason is " + reason
		}
		return ""
	}
	var reasons []string
	for i, reply := range real {
		if step := told.Steps[len(told.Steps)-len(real)+i]; !alike(reply, step.Code, step.Answer) {
			return "the answer to " + step.Command
		}
		if reason := refused(reply); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 0 && !slices.Contains(reasons, s.also) {
		return fmt.Sprintf("recipients are refused for %v", reasons)
	}
	if did, why := w.became(last); did != told.Verdict || why != told.Reason {
		return fmt.Sprintf("what became of it is %s (%s)", did, why)
	}
	return ""
}

// became is the verdict about a message that was accepted, by what waits.
func (w *world) became(reply string) (verdict, reason string) {
	w.t.Helper()
	id := reply[strings.LastIndexByte(reply, ' ')+1:]
	var waits []struct {
		Submission, State string
		HoldReason        string `json:"hold_reason"`
	}
	if err := json.Unmarshal([]byte(w.Admin("", "queue", "list", "--json")), &waits); err != nil {
		w.t.Fatal(err)
	}
	for _, d := range waits {
		switch {
		case d.Submission != id:
		case d.State == "held":
			return "hold", d.HoldReason
		case d.HoldReason != "":
			return "slow", d.HoldReason
		}
	}
	return "accept", ""
}

// limited sets a limit, and returns its id.
func limited(t *testing.T, w *world, args []string) string {
	t.Helper()
	if !strings.HasPrefix(args[0], "--") {
		args = append([]string{"--account", harness.Login}, args...)
	}
	out := w.Admin("", append([]string{"limit", "set"}, args...)...)
	at := strings.LastIndex(out, "limit ")
	if at < 0 {
		t.Fatalf("no id in %q", out)
	}
	return strings.TrimSpace(out[at+len("limit "):])
}

func (s *scenario) message() string {
	header := "From: <" + cmp.Or(s.header, harness.Login) + ">\r\n"
	if whole, is := strings.CutPrefix(s.header, "-"); is {
		header = ""
		if whole != "" {
			header = "From:" + whole + "\r\n"
		}
	}
	body := s.body
	if body == "" {
		body = "Hello.\r\n"
	}
	return header + "To: <" + to + ">\r\n" + s.lines + "Subject: x\r\n\r\n" + body
}

// recipients are those of the message.
func (s *scenario) recipients() []string {
	if s.to == nil {
		return []string{to}
	}
	return s.to
}

// ask has the message explained.
func ask(t *testing.T, w *world, s *scenario, message string) (told said) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"explain", harness.Login, "--message", file, "--json"}
	if s.from != "" {
		args = append(args, "--from", s.from)
	}
	if s.ip != "" {
		args = append(args, "--ip", s.ip, "--listener", "behind")
	}
	if s.hello != "" {
		args = append(args, "--hello", s.hello)
	}
	if s.credential != "" {
		args = append(args, "--credential", s.credential)
	}
	if s.mech != "" {
		args = append(args, "--mech", s.mech)
	}
	for _, r := range s.recipients() {
		args = append(args, "--to", r)
	}
	out := w.Told(args...)
	if start := strings.Index(out, "{"); start < 0 || json.NewDecoder(strings.NewReader(out[start:])).Decode(&told) != nil {
		t.Fatalf("explain says %s", out)
	}
	return told
}

// send sends it, and returns the answers from MAIL on; of who is not let in, the last one.
func send(t *testing.T, w *world, s *scenario, message string) (replies []string) {
	t.Helper()
	c, reply := w.enter(t, s, w.password(s))
	defer c.Raw.Close()
	if !strings.HasPrefix(reply, "235 ") {
		return []string{reply}
	}
	from := s.from
	if from == "" {
		from = harness.Login
	}
	lines := []string{"MAIL FROM:<" + strings.Trim(from, "<>") + ">"}
	for _, r := range s.recipients() {
		lines = append(lines, "RCPT TO:<"+r+">")
	}
	say := func(text string) byte {
		c.Send(text)
		replies = append(replies, strings.TrimSpace(c.Reply()))
		return replies[len(replies)-1][0]
	}
	taken := 0
	for _, line := range lines {
		switch first := say(line + "\r\n"); {
		case first == '2':
			taken++
		case !strings.HasPrefix(line, "RCPT"):
			return replies
		}
	}
	if taken < 2 { // MAIL and a recipient
		return replies
	}
	if say("DATA\r\n") == '3' {
		say(strings.ReplaceAll(message, "\r\n.", "\r\n..") + ".\r\n")
	}
	return replies
}

// alike reports whether two answers have the same code and enhanced code.
func alike(real string, code int, answer string) bool {
	enhanced, _, _ := strings.Cut(answer, " ")
	number, rest, _ := strings.Cut(real[strings.LastIndex(real, "\n")+1:], " ") // of several lines the last
	got, _, _ := strings.Cut(rest, " ")
	return number == strconv.Itoa(code) && got == enhanced
}

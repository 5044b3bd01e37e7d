package explain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"countersign/internal/testkit"
	"countersign/internal/testkit/pgcluster"
	"countersign/internal/testkit/testmilter"
	"countersign/internal/web/api/client"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// shared is the server of the tests on PostgreSQL.
var shared = pgcluster.Shared{Options: pgcluster.Options{NoSync: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// world is a gate and what it asks.
type world struct {
	*harness.Gate
	t *testing.T
	// behind is a listener behind a proxy, so that clients come from anywhere.
	behind string
	// passwords has those of credentials beside the account's own.
	passwords map[string]string
	// api is where the gate has its API, token what opens that.
	api, token string
}

// rules are those of the operator.
const rules = `
[[rule]]
name = "typo"
at = "rcpt"
when = "envelope.recipient.domain() == 'gmial.example'"
verdict = "refuse"
because = "Did you mean gmail?"
[[rule]]
name = "later"
at = "rcpt"
when = "envelope.recipient.domain() == 'later.example'"
verdict = "defer"
because = "Not now"
[[rule]]
name = "broken"
at = "rcpt"
when = "envelope.recipient.domain() == 'broken.example' && int(envelope.recipient.local()) > 0"
verdict = "refuse"
because = "There is a number"
[[rule]]
name = "secret"
at = "data"
when = "message.header.count('X-Secret') > 0"
verdict = "hold"
because = "It is secret."
[[rule]]
name = "slow"
at = "data"
when = "message.header.count('X-Slow') > 0"
verdict = "slow"
[[rule]]
name = "shadowed"
at = "data"
when = "message.header.count('X-Shadow') > 0"
verdict = "refuse"
because = "It would be refused"
shadow = true
[[rule]]
name = "unwelcome"
at = "connect"
when = "connection.client == address('203.0.113.20')"
verdict = "refuse"
because = "Not from there"
[[rule]]
name = "unwelcome-now"
at = "connect"
when = "connection.client == address('203.0.113.21')"
verdict = "defer"
because = "Not from there now"
`

// newWorld starts a gate whose store is at url, "" for SQLite. Mail to gone.example fails.
func newWorld(t *testing.T, url string) *world {
	t.Helper()
	dns := testkit.NewDNS(t)
	dns.Add(`_dmarc.example.org. 60 IN TXT "v=DMARC1\; p=reject"`, "30.113.0.203.open.example. 60 IN A 127.0.0.2")
	dns.Break("31.113.0.203.closed.example.", testkit.ServFail)
	mx := &testkit.MX{Extensions: testkit.AllExtensions(), Script: func(s testkit.Step) testkit.Action {
		if s.At == "RCPT" && strings.Contains(s.Line, "@gone.example") {
			return testkit.Action{Say: "550 5.1.1 nobody"}
		}
		return testkit.Action{}
	}}
	filter := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{End: filtered})
	holding := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{End: func(_ milter.Modifier, seen *testmilter.Seen) (*milter.Response, error) {
		if asked(seen) == "be away and hold" {
			return nil, fmt.Errorf("the filter ends")
		}
		return milter.RespAccept, nil
	}})
	w := &world{t: t, behind: harness.FreePort(t), passwords: map[string]string{}, api: harness.FreePort(t), token: client.NewToken()}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(w.token), 0o600); err != nil {
		t.Fatal(err)
	}
	extra := ""
	if url != "" {
		extra = fmt.Sprintf("[store]\nurl = %q\n[node]\nid = \"gate-1\"\n", url)
	}
	extra += fmt.Sprintf(`[help]
url = "http://127.0.0.1:8080/help"
[dns]
servers = [%q]
[alignment]
addresses = ["192.0.2.1"]
wait = "10s"
[access]
dnsbl_action = "refuse"
[[dnsbl]]
zone = "open.example"
when_away = "open"
test = "off"
[[dnsbl]]
zone = "closed.example"
when_away = "closed"
test = "off"
[guard]
login_secrets = 8
login_networks = 2
free_secrets = 1
delay = "30s"
max_delay = "30s"
[web]
listen = [%q]
[[api_client]]
name = "panel"
token_file = %q
may = ["read"]
[[filter]]
name = "filter"
address = "tcp:%s"
may = ["headers"]
[[filter]]
name = "holding"
address = "tcp:%s"
when_away = "hold"
[[listener]]
name = "behind"
kind = "submission"
address = [%q]
proxies = ["127.0.0.1"]
`, dns.Addr(), w.api, file, filter.Addr, holding.Addr, w.behind)
	w.Gate = harness.Serve(t, mx.Listen(t), extra+rules)
	w.Admin("", "plan", "add", "small")
	w.Admin("", "account", "set", harness.Login, "--plan", "small")
	return w
}

// filtered is what the content filter does: as the message says.
func filtered(m milter.Modifier, seen *testmilter.Seen) (*milter.Response, error) {
	switch asked(seen) {
	case "refuse":
		return milter.RespReject, nil
	case "defer":
		return milter.RespTempFail, nil
	case "hold":
		return milter.RespAccept, m.Quarantine("it looks odd")
	case "be away":
		return nil, fmt.Errorf("the filter ends")
	}
	return milter.RespAccept, nil
}

// asked is what a message wants of a filter.
func asked(seen *testmilter.Seen) string {
	for _, f := range seen.Fields {
		if f[0] == "X-Filter" {
			return strings.TrimSpace(f[1])
		}
	}
	return ""
}

// enter opens a connection from where the message comes from, and logs in. It returns the last answer,
// which is 235 where it has, and the connection.
func (w *world) enter(t *testing.T, s *scenario, password string) (*talk.Client, string) {
	t.Helper()
	c, reply, in := w.approach(t, s)
	if !in {
		return c, reply
	}
	if s.mech != "" {
		c.Send("AUTH " + s.mech + "\r\n")
	} else {
		c.Send(talk.Plain(harness.Login, password) + "\r\n")
	}
	return c, c.Reply()
}

// approach is enter up to where a client logs in, and reports whether it may.
func (w *world) approach(t *testing.T, s *scenario) (c *talk.Client, reply string, in bool) {
	t.Helper()
	address, hello := w.Submissions, talk.Hello
	if s.ip != "" {
		address = w.behind
	}
	if s.hello != "" {
		hello = "EHLO " + s.hello
	}
	c = talk.Dial(t, address)
	if s.ip != "" {
		c.Send("PROXY TCP4 " + s.ip + " 192.0.2.1 40000 587\r\n")
	} else {
		c.Secure(talk.Trust(t, w.Gate))
	}
	reply = c.Reply()
	says := func(line, want string) bool { // not where what is set is felt meanwhile, and ends the session
		c.Send(line + "\r\n")
		reply = c.Reply()
		return strings.HasPrefix(reply[strings.LastIndex(reply, "\n")+1:], want)
	}
	if !strings.HasPrefix(reply, "220 ") || !says(hello, "250 ") {
		return c, reply, false
	}
	if s.ip != "" {
		if !says("STARTTLS", "220 ") {
			return c, reply, false
		}
		c.Secure(talk.Trust(t, w.Gate))
		if !says(hello, "250 ") {
			return c, reply, false
		}
	}
	return c, reply, true
}

// password is that of what the scenario proves itself with.
func (w *world) password(s *scenario) string {
	return cmp.Or(w.passwords[s.credential], harness.Password)
}

// used is what "limit show" prints where something is used of a limit.
var used = regexp.MustCompile(`"used": [1-9]`)

// stays holds a connection open that has logged in and is counted: the gate follows the limit within
// a second.
func (w *world) stays(ip string) (leave func()) {
	w.t.Helper()
	harness.WaitFor(w.t, "a connection to be counted", func() bool {
		c, reply := w.enter(w.t, &scenario{ip: ip}, harness.Password)
		if !strings.HasPrefix(reply, "235 ") {
			w.t.Fatalf("nobody can log in: %s", reply)
		}
		leave = func() { c.Say("QUIT", "221 ") }
		if used.MatchString(w.Admin("", "limit", "show", harness.Login, "--from", cmp.Or(ip, "127.0.0.1"), "--json")) {
			return true
		}
		leave()
		return false
	})
	return leave
}

// appPassword gives the account a credential, with more flags.
func (w *world) appPassword(name string, flags ...string) func() {
	w.t.Helper()
	out := w.Admin("", append([]string{"credential", "add", "--app-password", harness.Login, name}, flags...)...)
	fields := strings.Fields(out)
	for _, f := range fields {
		if strings.Count(f, "-") >= 3 && !strings.Contains(f, "@") {
			w.passwords[name] = f
		}
	}
	if w.passwords[name] == "" {
		w.t.Fatalf("no password in %q", out)
	}
	return func() {}
}

// guessed has others guess at the password, until the login is closed to strangers.
func (w *world) guessed() func() {
	w.t.Helper()
	for n := range 9 {
		c, reply := w.enter(w.t, &scenario{ip: fmt.Sprintf("203.0.113.%d", 60+n)}, fmt.Sprint("guess number ", n))
		if !strings.HasPrefix(reply, "535 ") && !strings.HasPrefix(reply, "454 ") {
			w.t.Fatalf("a guess is answered %s", reply)
		}
		c.Raw.Close()
	}
	w.foreseen(&scenario{ip: "203.0.113.69", cause: "guard: login-closed"})
	return func() { w.Admin("", "guard", "forget", harness.Login) }
}

// besieged has somebody guess at the password from one network by ever new names, as long as that is looked at; a device of its
// owner, "" for none, has logged in there before.
func (w *world) besieged(ip, own string) func() {
	w.t.Helper()
	guesses := 2
	if own != "" { // others are left a while to log in
		guesses = 3
		c, reply := w.enter(w.t, &scenario{ip: ip, hello: own}, harness.Password)
		if !strings.HasPrefix(reply, "235 ") {
			w.t.Fatalf("the owner is answered %s", reply)
		}
		c.Say("QUIT", "221 ")
	}
	for n := range guesses {
		const delayed = "countersign_guard_delayed_total"
		before := w.Metric(delayed)
		c, reply, in := w.approach(w.t, &scenario{ip: ip, hello: fmt.Sprintf("pc%d.example", n)})
		if !in {
			w.t.Fatalf("a guesser is answered %s", reply)
		}
		c.Send(talk.Plain(harness.Login, fmt.Sprint("guess ", n)) + "\r\n")
		if n == 0 {
			c.Expect("535 ")
			continue
		}
		harness.WaitFor(w.t, "a guess to be counted", func() bool { return w.Metric(delayed) > before }) // its answer is late
	}
	w.foreseen(&scenario{ip: ip, hello: "pad.example", cause: "guard: too-soon"})
	return func() {}
}

// foreseen waits until a refusal is foretold: what the gate counts is in the store within a second.
func (w *world) foreseen(s *scenario) {
	w.t.Helper()
	harness.WaitFor(w.t, "a refusal to be foretold", func() bool {
		told := ask(w.t, w, s, s.message())
		return told.cause() == s.cause
	})
}

// agrees wants the API to say what the command has said, and the cause to be the one that is wanted.
func (w *world) agrees(s *scenario, told *said) {
	w.t.Helper()
	q := map[string]any{"account": harness.Login, "client": s.ip, "listener": "behind", "to": s.recipients()}
	if s.hello != "" {
		q["hello"] = s.hello
	}
	body, err := json.Marshal(q)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.api+"/api/v1/explanations", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	var answer said
	if err := json.NewDecoder(a.Body).Decode(&answer); err != nil || a.StatusCode != http.StatusOK {
		w.t.Fatalf("the API answers %d, %v", a.StatusCode, err)
	}
	if answer.Verdict != told.Verdict || answer.Reason != told.Reason || answer.cause() != s.cause || told.cause() != s.cause {
		w.t.Errorf("the API says %+v, the command %+v, want %q", answer, *told, s.cause)
	}
	if apart := told.Until.Sub(answer.Until).Abs(); s.cause != "" && told.Until.IsZero() || apart > 2*time.Second {
		w.t.Errorf("until when the login is turned away the API says %v, the command %v", answer.Until, told.Until)
	}
}

// recorded wants the record to have the cause for which a client was refused last.
func (w *world) recorded(s *scenario) {
	w.t.Helper()
	harness.WaitFor(w.t, "the refusal to be recorded", func() bool {
		list := w.Events("--kind", "auth.failed", "--client", s.ip)
		return len(list) > 0 && list[len(list)-1].Data["cause"] == s.cause
	})
}

// failed sends messages that fail until that is counted: the gate follows the limit within a second.
func (w *world) failed() func() {
	w.t.Helper()
	s := &scenario{to: []string{"nobody@gone.example"}}
	harness.WaitFor(w.t, "a failure to be counted", func() bool {
		send(w.t, w, s, s.message())
		return w.full()
	})
	return func() {}
}

// full reports whether a limit is used up.
func (w *world) full() bool {
	return strings.Contains(w.Admin("", "limit", "show", harness.Login, "--from", "127.0.0.1", "--json"), `"left": 0`)
}

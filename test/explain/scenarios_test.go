package explain

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config/loading"
	"countersign/test/harness"
)

// only is a list of one command.
func only(words ...string) [][]string { return [][]string{words} }

func mode(name string) [][]string {
	return only("account", "set", harness.Login, "--sender-mode", name)
}

// grant gives or takes a grant.
func grant(what, manner, address string) [][]string {
	return only("grant", what, harness.Login, manner, address)
}

// capped says what a plan allows.
func capped(flag, most string) [][]string { return only("plan", "set", "small", flag, most) }

// aligned says what is done about mail of the domain that will fail DMARC.
func aligned(what string) [][]string {
	return only("domain", "set", "example.org", "--alignment", what)
}

// denied keeps clients out of an address.
func denied(ip string, of ...string) [][]string {
	return [][]string{append([]string{"access", "deny", ip, "--because", "a test"}, of...)}
}

// rejected is a message that is refused for what it is.
func rejected(name, lines, body, reason string) scenario {
	return scenario{name: name, lines: lines, body: body, want: "refuse", reason: reason}
}

// scenarios are all of them.
func scenarios() []scenario { return append(content(), stored()...) }

// stored are those in which something in the store decides, or what is accepted goes there.
func stored() (all []scenario) {
	all = append(all, scenario{name: "a message", want: "accept"})
	for _, group := range [][]scenario{identity(), limits(), connections(), networks(), guesses(), rulesAndPlans(), suspensions(), lookedAt()} {
		all = append(all, group...)
	}
	return all
}

func identity() []scenario {
	const boss, foreign = "boss@example.org", "else@example.net"
	return []scenario{
		{name: "a foreign envelope sender", from: foreign, want: "refuse", reason: "sender-not-owned"},
		{name: "no envelope sender", from: "<>", want: "refuse", reason: "null-sender-not-allowed"},
		{name: "a foreign From", header: foreign, want: "refuse", reason: "header-sender-not-owned"},
		{name: "a foreign Sender", lines: "Sender: <" + foreign + ">\r\n", want: "refuse", reason: "header-sender-not-owned"},
		{name: "a foreign Resent-From", lines: "Resent-From: <" + foreign + ">\r\n", want: "refuse", reason: "header-sender-not-owned"},
		{name: "a foreign From in shadow", set: mode("shadow"), undo: mode("enforce"), header: foreign, want: "accept"},
		{name: "a foreign From rewritten", set: mode("rewrite"), undo: mode("enforce"), header: foreign, want: "accept"},
		{name: "on behalf without Sender", set: grant("add", "send-on-behalf", boss), undo: grant("remove", "send-on-behalf", boss), header: boss, want: "refuse", reason: "header-sender-missing"},
		{name: "as granted", set: grant("add", "send-as", boss), undo: grant("remove", "send-as", boss), from: boss, header: boss, want: "accept"},
	}
}

func content() []scenario {
	return []scenario{
		{name: "no From", header: "-", want: "refuse", reason: "header-from-missing"},
		rejected("two From", "From: <"+harness.Login+">\r\n", "", "header-from-multiple"),
		rejected("no header", "No field\r\n", "", "header-malformed"),
		rejected("a huge header", strings.Repeat("X-Long: "+strings.Repeat("x", 900)+"\r\n", 150), "", "header-too-large"),
		rejected("two Subject", "Subject: y\r\n", "", "header-field-repeated"),
		rejected("a control character", "X-Bell: \x07\r\n", "", "header-control-character"),
		rejected("a hidden line", "Comments: =?utf-8?q?a=0D=0Ab?=\r\nReply-To: =?utf-8?q?a=0D=0Ab?= <"+to+">\r\n", "", "header-hidden-line"),
		rejected("raw characters", "Content-Type: text/plain; x=\"\u00e9\"\r\n", "", "header-8bit"),
		rejected("two boundaries", "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n", "", "content-ambiguous"),
		{name: "a misleading name", header: "- =?utf-8?q?a=E2=80=AEb?= <" + harness.Login + ">", want: "refuse", reason: "header-name-misleading"},
		rejected("a loop", strings.Repeat("Received: from a by b; Fri, 27 Nov 2026 08:00:00 +0000\r\n", 60), "", "loop-detected"),
		rejected("a long line", "", strings.Repeat("x", 1200)+"\r\n", "data-line-too-long"),
		rejected("a bare carriage return", "", "a\rb\r\n", "data-bare-cr"),
		rejected("a NUL", "", "a\x00b\r\n", "data-nul"),
	}
}

func limits() []scenario {
	full := func(name, want, reason string, limit ...string) scenario {
		return scenario{name: name, sent: true, limit: limit, want: want, reason: reason}
	}
	many := []string{"x@example.com", "y@example.com"}
	return []scenario{
		full("a full hour", "defer", "limit-reached", "messages/hour=1"),
		full("a full hour that refuses", "refuse", "limit-refused", "messages/hour=1", "--action", "refuse"),
		full("a full hour that holds", "hold", "over-limit", "messages/hour=1", "--action", "hold"),
		full("a full hour that slows down", "slow", "slowed", "messages/hour=1", "--action", "slow"),
		full("a full hour in shadow", "accept", "", "messages/hour=1", "--shadow"),
		full("a full minute of the credential", "defer", "limit-reached", "--credential", harness.Login+"/password", "recipients/day=1"),
		full("a full day of the domain", "defer", "limit-reached", "--domain", "example.org", "recipients/day=1"),
		full("a full month of the customer", "defer", "limit-reached", "--customer", "acme", "messages/month=1"),
		full("a full day of the plan", "refuse", "limit-refused", "--plan", "small", "messages/day=1", "--action", "refuse"),
		full("a full day of the network", "defer", "limit-reached", "--network", "127.0.0.1", "messages/day=1"),
		full("a full day of all", "defer", "limit-reached", "--everything", "messages/day=1"),
		{name: "a full day of the plan beside one in shadow", sent: true, limit: []string{"--plan", "small", "messages/day=1"}, prepare: (*world).tried, want: "defer", reason: "limit-reached"},
		{name: "too many octets", limit: []string{"bytes/day=10"}, want: "refuse", reason: "limit-refused"},
		{name: "too many recipients at once", limit: []string{"recipients/day=1"}, to: many, want: "refuse", reason: "limit-refused"},
		{name: "new recipients", limit: []string{"new-recipients/hour=1"}, to: []string{"n1@example.com", "n2@example.com"}, want: "refuse", reason: "limit-refused"},
		{name: "too many recipients of a message", limit: []string{"recipients/message=1"}, to: many, want: "accept", also: "limit-recipients"},
		{name: "too many recipients of a message that refuses", limit: []string{"recipients/message=1", "--action", "refuse"}, to: many, want: "accept", also: "limit-recipients-refused"},
		{name: "no message of a connection", limit: []string{"messages/connection=0", "--force"}, want: "refuse", reason: "limit-refused"},
		{name: "recipients of a message that holds", limit: []string{"recipients/message=1", "--action", "hold"}, to: many, want: "hold", reason: "over-limit"},
		{name: "too large a message by a limit", limit: []string{"bytes/message=100"}, body: strings.Repeat("0123456789\r\n", 20), want: "refuse", reason: "limit-size"},
		{name: "failed recipients", limit: []string{"failed-recipients/day=1"}, prepare: (*world).failed, want: "defer", reason: "limit-reached"},
	}
}

// tried puts a limit in shadow beside those that count.
func (w *world) tried() (undo func()) {
	known := w.Metric("countersign_limit_rules")
	w.Admin("", "limit", "set", "--account", harness.Login, "messages/day=1", "--shadow")
	harness.WaitFor(w.t, "the gate to follow", func() bool { return w.Metric("countersign_limit_rules") > known })
	return func() {
		w.Admin("", "limit", "lift", "--account", harness.Login, "messages/day", "--shadow")
		harness.WaitFor(w.t, "the gate to follow", func() bool { return w.Metric("countersign_limit_rules") == known })
	}
}

func connections() []scenario {
	open := func(ip string) func(*world) func() { return func(w *world) func() { return w.stays(ip) } }
	return []scenario{
		{name: "connections of a network in an hour", ip: "203.0.113.40", limit: []string{"--network", "203.0.113.40", "connections/hour=1"}, prepare: open("203.0.113.40"), want: "defer", reason: "connection-limit"},
		{name: "connections of a network at once", ip: "203.0.113.41", limit: []string{"--network", "203.0.113.41", "connections/at-once=1"}, prepare: open("203.0.113.41"), want: "defer", reason: "connection-limit"},
		{name: "connections of a login at once", limit: []string{"connections/at-once=1"}, prepare: open(""), want: "defer", reason: "connection-limit-login"},
		{name: "room for connections", limit: []string{"connections/at-once=2"}, prepare: open(""), want: "accept"},
		{name: "connections in shadow", limit: []string{"connections/at-once=1", "--shadow"}, prepare: open(""), want: "accept"},
	}
}

func networks() []scenario {
	return []scenario{
		{name: "a banned network", ip: "203.0.113.10", set: only("ban", "add", "203.0.113.10", "--because", "a test"), want: "refuse", reason: "banned"},
		{name: "a login that is banned from a network", ip: "203.0.113.11", set: only("ban", "add", "203.0.113.11", "--login", harness.Login, "--because", "a test"), want: "refuse", reason: "auth-failed"},
		{name: "a network that is banned in shadow", ip: "203.0.113.9", set: only("ban", "add", "203.0.113.9", "--shadow", "--because", "a test"), want: "accept"},
		{name: "a network that is denied", ip: "203.0.113.12", set: denied("203.0.113.12"), want: "refuse", reason: "network-denied"},
		{name: "one that is denied at a listener", ip: "203.0.113.13", set: denied("203.0.113.13", "--listener", "behind"), want: "refuse", reason: "network-denied"},
		{name: "one that is denied to a customer", ip: "203.0.113.14", set: denied("203.0.113.14", "--customer", "acme"), want: "refuse", reason: "auth-failed"},
		{name: "one that is denied to a domain", ip: "203.0.113.15", set: denied("203.0.113.15", "--domain", "example.org"), want: "refuse", reason: "auth-failed"},
		{name: "one that is denied to an account", ip: "203.0.113.16", set: denied("203.0.113.16", "--account", harness.Login), want: "refuse", reason: "auth-failed"},
		{name: "one that is denied to a credential", ip: "203.0.113.17", set: denied("203.0.113.17", "--credential", harness.Login+"/password"), want: "refuse", reason: "auth-failed"},
		{name: "one that is denied in shadow", ip: "203.0.113.18", set: denied("203.0.113.18", "--shadow"), want: "accept"},
		{name: "a network on a DNS list", ip: "203.0.113.30", want: "refuse", reason: "listed"},
		{name: "a DNS list that is away", ip: "203.0.113.31", want: "defer", reason: "list-away"},
		{name: "a rule about clients", ip: "203.0.113.20", want: "refuse", reason: "rule-unwelcome"},
		{name: "a rule that defers clients", ip: "203.0.113.21", want: "defer", reason: "rule-unwelcome-now"},
	}
}

// guesses are what the guard makes of logins. Strangers come first: what they guess counts at the login.
func guesses() []scenario {
	const stranger, office, home = "203.0.113.50", "203.0.113.51", "203.0.113.52"
	beside := func(ip string) func(*world) func() {
		return func(w *world) func() { return w.besieged(ip, "laptop.example") }
	}
	return []scenario{
		{name: "a stranger who comes too soon", ip: stranger, hello: "pc.example", prepare: func(w *world) func() { return w.besieged(stranger, "") }, want: "defer", reason: "auth-too-many", cause: "guard: too-soon"},
		{name: "an unknown device beside a guesser in the owner's network", ip: office, hello: "tablet.example", prepare: beside(office), want: "defer", reason: "auth-too-many", cause: "guard: too-soon"},
		{name: "the owner's device beside a guesser in their network", ip: home, hello: "Laptop.example", prepare: beside(home), want: "accept"},
		{name: "a login that is guessed at", ip: "203.0.113.69", prepare: (*world).guessed, want: "defer", reason: "auth-too-many", cause: "guard: login-closed"},
	}
}

func rulesAndPlans() []scenario {
	two := []string{to, "c@example.com"}
	return []scenario{
		{name: "some recipients refused", to: []string{"x@gmial.example", to}, want: "accept", also: "rule-refused"},
		{name: "all recipients refused", to: []string{"x@gmial.example"}, want: "refuse", reason: "rule-refused"},
		{name: "a recipient deferred", to: []string{"x@later.example"}, want: "defer", reason: "rule-deferred"},
		{name: "a rule that fails", to: []string{"x@broken.example"}, want: "defer", reason: "rule-failed"},
		{name: "a rule about the content", lines: "X-Secret: yes\r\n", want: "hold", reason: "rule"},
		{name: "a rule that slows down", lines: "X-Slow: yes\r\n", want: "slow", reason: "slowed"},
		{name: "a rule in shadow", lines: "X-Shadow: yes\r\n", want: "accept"},
		{name: "too many recipients of a plan", set: capped("--max-recipients", "1"), undo: capped("--max-recipients", "0"), to: two, want: "accept", also: "too-many-recipients"},
		{name: "a large message", set: capped("--max-message-size", "1KiB"), undo: capped("--max-message-size", "0"), body: strings.Repeat("0123456789\r\n", 200), want: "refuse", reason: "message-too-large"},
		{name: "too many recipients of a credential", credential: "few", prepare: with("few", "--max-recipients", "1"), to: two, want: "accept", also: "too-many-recipients"},
	}
}

// with gives the account a credential.
func with(name string, flags ...string) func(*world) func() {
	return func(w *world) func() { return w.appPassword(name, flags...) }
}

func suspensions() []scenario {
	off := func(kind, name string) scenario {
		return scenario{name: "a suspended " + kind, set: only(kind, "suspend", name), undo: only(kind, "resume", name), want: "refuse", reason: "auth-failed"}
	}
	return []scenario{
		off("account", harness.Login), off("domain", "example.org"), off("customer", "acme"), off("plan", "small"),
		{name: "a mechanism that is not offered", mech: "CRAM-MD5", want: "refuse", reason: "auth-mechanism-unknown"},
		{name: "a credential from elsewhere", credential: "elsewhere", prepare: with("elsewhere", "--allow-network", "198.51.100.0/24"), want: "refuse", reason: "auth-failed"},
		{name: "a credential that has ended", credential: "ended", prepare: (*world).ended, want: "refuse", reason: "auth-failed"},
		{name: "a credential for another sender", set: only("account", "set", harness.Login, "--add-alias", "other@example.org"), credential: "other", prepare: with("other", "--sender", "other@example.org"), want: "refuse", reason: "sender-not-owned"},
	}
}

// ended gives the account a credential that has ended a minute ago.
func (w *world) ended() func() {
	w.t.Helper()
	undo := w.appPassword("ended")
	cfg, _, err := loading.Load(w.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := w.t.Context()
	store, err := app.OpenStore(ctx, cfg, false)
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	acc, err := store.Account(ctx, harness.Login)
	if err != nil {
		w.t.Fatal(err)
	}
	at := slices.IndexFunc(acc.Credentials, func(c account.Credential) bool { return c.Name == "ended" })
	acc.Credentials[at].Envelope.Expires = time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	change := audit.Event{At: time.Now().UTC(), Kind: audit.AdminChanged, Actor: "test", Object: "account " + harness.Login}
	if err := store.PutAccount(ctx, acc, change); err != nil {
		w.t.Fatal(err)
	}
	return undo
}

func lookedAt() []scenario {
	filter := func(does, want, reason string) scenario {
		return scenario{name: "a filter that is to " + does, lines: "X-Filter: " + does + "\r\n", want: want, reason: reason}
	}
	return []scenario{
		{name: "mail that will fail DMARC is refused", set: aligned("refuse"), undo: aligned("default"), want: "refuse", reason: "dmarc-will-fail"},
		{name: "mail that will fail DMARC is held", set: aligned("hold"), undo: aligned("default"), want: "hold", reason: "dmarc-will-fail"},
		{name: "mail that will fail DMARC is warned of", set: aligned("warn"), undo: aligned("default"), want: "accept", also: "dmarc-will-fail"},
		filter("refuse", "refuse", "filter-refused"), filter("defer", "defer", "filter-deferred"),
		filter("be away", "defer", "filter-away"), filter("hold", "hold", "filter"), filter("be away and hold", "hold", "filter"),
	}
}

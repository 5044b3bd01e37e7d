package replay

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
)

// past is a store of two messages of one session, of which the second waits.
type past struct {
	events  []audit.Event
	waiting []queue.Item
	head    string
	sender  *account.Sender
}

func (p *past) Search(_ context.Context, q audit.Query) (found []audit.Event, err error) {
	for _, e := range p.events {
		if e.Session == q.Session && q.Session != "" || e.Submission == q.Submission && q.Submission != "" {
			found = append(found, e)
		}
	}
	return found, nil
}

func (p *past) Sender(_ context.Context, login string) (*account.Sender, error) {
	if p.sender == nil || p.sender.Account.Login() != login {
		return nil, fault.New("past", fault.NotFound, "none")
	}
	return p.sender, nil
}

func (p *past) List(_ context.Context, f queue.Filter) (found []queue.Item, err error) {
	for _, i := range p.waiting {
		if i.Submission.ID == f.Submission {
			found = append(found, i)
		}
	}
	return found, nil
}

func (p *past) Content(_ context.Context, id mail.ID) (*queue.Content, error) {
	if p.head == "" || len(p.waiting) == 0 || p.waiting[0].Submission.ID != id {
		return nil, fault.New("past", fault.NotFound, "none")
	}
	return &queue.Content{Head: []byte(p.head)}, nil
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newPast() *past {
	address := func(s string) mail.Address {
		local, domain, _ := strings.Cut(s, "@")
		return mail.Address{Local: local, Domain: mail.Domain(domain)}
	}
	sender := &account.Sender{
		Account: account.Account{
			Address: address("shop@example.org"), Created: noon.AddDate(0, 0, -3),
			Credentials: []account.Credential{{Name: "phone", Kind: account.AppPassword}},
		},
		Domain: account.Domain{Name: "example.org"}, Customer: account.Customer{Name: "acme", Created: noon.AddDate(0, 0, -30)}, Plan: account.Plan{Name: "trial"},
	}
	accepted := func(seq int64, id mail.ID, recipients string) audit.Event {
		return audit.Event{
			Seq: seq, At: noon, Kind: audit.Accepted, Session: "S", Submission: id, Login: "shop@example.org", Client: "192.0.2.7",
			Data: map[string]string{"from": "shop@example.org", "recipients": recipients, "size": "4321"},
		}
	}
	second := &queue.Submission{ID: "TWO", Envelope: mail.Envelope{From: address("shop@example.org"), Return: mail.ReturnFull}}
	return &past{
		sender: sender,
		events: []audit.Event{
			{Seq: 1, Kind: audit.SessionOpened, Session: "S", Data: map[string]string{"listener": "submission"}},
			{Seq: 2, Kind: audit.SessionTLS, Session: "S", Data: map[string]string{"version": "TLS 1.3"}},
			{Seq: 3, Kind: audit.SessionHello, Session: "S", Text: "pc.example.org"},
			{Seq: 4, Kind: audit.AuthPassed, Session: "S", Data: map[string]string{"mechanism": "PLAIN", "credential": "phone"}},
			accepted(5, "ONE", "2"), accepted(6, "TWO", "1"), accepted(9, "THREE", "2"),
			{Seq: 7, Kind: audit.DeliveryDelivered, Submission: "ONE", Delivery: 2, Data: map[string]string{"to": "b@there.example"}},
			{Seq: 8, Kind: audit.DeliveryDelivered, Submission: "ONE", Delivery: 1, Data: map[string]string{"to": "a@there.example"}},
			{Seq: 10, Kind: audit.DeliveryDelivered, Submission: "THREE", Delivery: 1, Data: map[string]string{"to": "a@there.example"}},
		},
		waiting: []queue.Item{{Submission: second, Delivery: queue.Delivery{Submission: "TWO", N: 1, Recipient: mail.Recipient{To: address("c@there.example")}}}},
		head:    "DKIM-Signature: x\r\nReceived: by us\r\nReceived: before\r\nFrom: shop@example.org\r\nSubject: Hi\r\n\r\n",
	}
}

// read returns a message of the past.
func (p *past) read(t *testing.T, id mail.ID) *Message {
	t.Helper()
	i := slices.IndexFunc(p.events, func(e audit.Event) bool { return e.Submission == id && e.Kind == audit.Accepted })
	m, err := (&Reader{Store: p}).Message(t.Context(), &p.events[i])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// unknown are the variables that are not known of a message.
func unknown(m *Message) string {
	var all []string
	for _, w := range rules.Vocabulary() {
		if m.Facts.Unknown[w.Name] && !strings.Contains(w.Name, "(") {
			all = append(all, w.Name)
		}
	}
	return strings.Join(all, " ")
}

func TestWhatIsKnown(t *testing.T) {
	p := newPast()
	const content = "message.from message.senders message.subject message.header"
	for id, want := range map[mail.ID]string{
		"ONE":   "envelope.size envelope.body envelope.smtputf8 envelope.ret " + content,
		"TWO":   "envelope.size envelope.body envelope.smtputf8",
		"THREE": "envelope.size envelope.body envelope.smtputf8 envelope.ret envelope.recipient envelope.recipients " + content + " counters.recipients",
	} {
		if got := unknown(p.read(t, id)); got != want+" counted" {
			t.Errorf("%s: unknown are %s, want %s", id, got, want)
		}
	}
	f := p.read(t, "TWO").Facts
	if f.Connection != (rules.Connection{Client: netip.MustParseAddr("192.0.2.7"), Listener: "submission", TLS: "1.3", Hello: "pc.example.org"}) {
		t.Errorf("%+v", f.Connection)
	}
	want := rules.Principal{
		Login: "shop@example.org", Domain: "example.org", Customer: "acme", Plan: "trial", Credential: "phone", Kind: "app-password", Mechanism: "PLAIN",
		Created: noon.AddDate(0, 0, -3), CustomerCreated: noon.AddDate(0, 0, -30),
	}
	if f.Principal != want || f.Counters.SessionMessages != 1 || f.Message.Size != 4321 || f.Recipients[0].To.String() != "c@there.example" || !f.Now.Equal(noon) {
		t.Errorf("%+v", f)
	}
	if h := f.Message.Header; h.Count("Received") != 1 || h.Count("DKIM-Signature") != 0 {
		t.Errorf("the header has what the gate has added: %+v", h)
	}
	if to := p.read(t, "ONE").Facts.Recipients; len(to) != 2 || to[1].To.String() != "b@there.example" {
		t.Errorf("%+v", to)
	}
}

// TestWhoIsNoMore: of a removed account, and of a record that begins within the session, less is
// known.
func TestWhoIsNoMore(t *testing.T) {
	p := newPast()
	p.sender, p.events = nil, p.events[4:]
	const want = "connection.listener connection.tls connection.hello principal.customer principal.plan principal.credential principal.credential_kind principal.mechanism " +
		"envelope.size envelope.body envelope.smtputf8 counters.session_messages counters.account_days counters.customer_days"
	m := p.read(t, "TWO")
	if got := unknown(m); got != want+" counted" {
		t.Errorf("unknown are %s", got)
	}
	if m.Facts.Principal.Domain != "example.org" {
		t.Errorf("%+v", m.Facts.Principal)
	}
}

func TestJudge(t *testing.T) {
	p := newPast()
	spec := func(name string, at rules.Stage, when string, v rules.Verdict) rules.Spec {
		return rules.Spec{Name: name, At: at, When: when, Verdict: v, Because: "No", Delay: time.Minute}
	}
	for _, c := range []struct {
		id    mail.ID
		specs []rules.Spec
		want  string
	}{
		{"ONE", []rules.Spec{spec("a", rules.Mail, `principal.plan == "none"`, rules.Refuse)}, "allow"},
		{"ONE", []rules.Spec{spec("a", rules.Connect, `connection.client.in_network("192.0.2.0/24")`, rules.Refuse)}, "refuse at connect by a"},
		{"ONE", []rules.Spec{spec("a", rules.Recipient, `envelope.recipient == "b@there.example"`, rules.Refuse), spec("d", rules.Data, `counters.recipients == 1 && envelope.recipients == ["a@there.example"]`, rules.Hold)}, "hold at data by d, 1 turned by a"},
		{"ONE", []rules.Spec{spec("a", rules.Recipient, `envelope.recipient.domain() == "there.example"`, rules.Defer), spec("d", rules.Data, `message.size > 1`, rules.Hold)}, "defer at rcpt by a"},
		{"ONE", []rules.Spec{spec("a", rules.Recipient, `counters.recipients > 1`, rules.Defer)}, "allow, 1 turned by a"},
		{"ONE", []rules.Spec{spec("a", rules.Data, `message.subject == "Hi"`, rules.Refuse), spec("b", rules.Data, `message.size > 1`, rules.Slow)}, "slow at data by b, unless a"},
		{"TWO", []rules.Spec{spec("a", rules.Data, `message.subject == "Hi"`, rules.Refuse), spec("b", rules.Data, `message.size > 1`, rules.Slow)}, "refuse at data by a"},
		{"THREE", []rules.Spec{spec("a", rules.Recipient, `envelope.recipient == "x" && principal.plan == "trial"`, rules.Refuse), spec("n", rules.Data, `counters.recipients > 1`, rules.Hold)}, "hold at data by n, unless a"},
		{"THREE", []rules.Spec{spec("a", rules.Recipient, `envelope.recipient == "x" && principal.plan == "none"`, rules.Refuse)}, "allow"},
		{"TWO", []rules.Spec{spec("a", rules.Mail, `principal.plan == "trial"`, rules.Allow), spec("b", rules.Mail, `envelope.from != ""`, rules.Refuse), spec("d", rules.Data, `message.size > 1`, rules.Refuse)}, "refuse at data by d"},
	} {
		set, found := rules.Compile(c.specs)
		if set == nil {
			t.Fatal(found)
		}
		o := Judge(set, p.read(t, c.id))
		got := string(o.Verdict)
		if o.Rule != nil {
			got += " at " + string(o.At) + " by " + o.Rule.Name
		}
		if o.Turned > 0 {
			got += ", 1 turned by " + o.TurnedBy.Name
		}
		for _, d := range o.Doubts {
			got += ", unless " + d.Rule.Name
		}
		if got != c.want || len(o.Answers) != len(c.specs) {
			t.Errorf("%s: %s, %d answers, want %s", c.id, got, len(o.Answers), c.want)
		}
	}
}

// TestAnswers: what each rule says by itself, be the message at its end or not.
func TestAnswers(t *testing.T) {
	set, _ := rules.Compile([]rules.Spec{
		{Name: "first", At: rules.Mail, When: `principal.plan == "trial"`, Verdict: rules.Refuse, Because: "No"},
		{Name: "one", At: rules.Recipient, When: `envelope.recipient == "b@there.example"`, Verdict: rules.Refuse, Because: "No"},
		{Name: "content", At: rules.Data, When: `message.subject == "Hi"`, Verdict: rules.Hold, Shadow: true},
		{Name: "broken", At: rules.Data, When: `int(principal.plan) == 5`, Verdict: rules.Hold},
	})
	got := ""
	for _, a := range Judge(set, newPast().read(t, "ONE")).Answers {
		got += a.Rule.Name
		switch {
		case a.Err != nil:
			got += " fails "
		case len(a.Needs) > 0:
			got += " needs " + strings.Join(a.Needs, ",") + " "
		case a.Matches:
			got += " matches "
		}
	}
	if want := "first matches one matches content needs message.subject broken fails "; got != want {
		t.Errorf("got %s", got)
	}
}

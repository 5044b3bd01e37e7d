package submission

import (
	"strconv"
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/filter"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// passing is a session, and what was said to it.
type passing struct {
	*fixture
	s smtpserver.Session
}

func (p *passing) mail(size int64) error {
	return p.s.Mail(p.t.Context(), mail.Envelope{From: address(p.t, testLogin), Size: size})
}

func (p *passing) rcpt(to string) error {
	return p.s.Rcpt(p.t.Context(), mail.Recipient{To: address(p.t, to)})
}

func (p *passing) data(text string) error {
	_, err := p.s.Data(p.t.Context(), strings.NewReader(text))
	return err
}

// send sends a message to so many.
func (p *passing) send(recipients int) error {
	var to []string
	for n := range recipients {
		to = append(to, "r"+strconv.Itoa(n)+"@there.example")
	}
	_, err := p.submit(p.s, testLogin, strings.NewReader(hello), to...)
	return err
}

// want fails unless err is answered with that code, for that reason, and says each of these.
func (p *passing) want(err error, code int, enhanced string, reason smtp.Reason, says ...string) {
	p.t.Helper()
	wantReason(p.t, err, reason)
	reply := smtp.ReplyFor(err)
	if reply.Code != code || reply.Enhanced.String() != enhanced {
		p.t.Errorf("the reply is %v, want %d %s", reply, code, enhanced)
	}
	for _, part := range says {
		if !strings.Contains(reply.Text, part) {
			p.t.Errorf("the client is not told %q: %s", part, reply.Text)
		}
	}
}

// begin opens a session under one limit of the account.
func begin(t *testing.T, text string, action limit.Action) *passing {
	f := newFixture(t)
	f.limited(ruleOf(limit.Account, testLogin, text, action))
	return &passing{f, f.login()}
}

// TestRecipientsOfAMessage: those who are too many hear so at once, those before them get the message.
func TestRecipientsOfAMessage(t *testing.T) {
	for _, c := range []struct {
		action   limit.Action
		code     int
		enhanced string
		reason   smtp.Reason
		says     string
	}{
		{limit.Defer, 452, "4.5.3", smtp.ELimitRecipients, "send to the others in a further message"},
		{limit.Refuse, 550, "5.5.3", smtp.ELimitRecipientsRefused, "more recipients than it may have"},
	} {
		p := begin(t, "recipients/message=2", c.action)
		for n := range 2 {
			p.must(p.mail(0))
			p.must(p.rcpt("a@there.example"))
			p.must(p.rcpt("b@there.example"))
			p.must(p.rcpt("a@there.example")) // named twice, it is one
			for _, to := range []string{"c@there.example", "postmaster@gate.example.org", "d@there.example"} {
				p.want(p.rcpt(to), c.code, c.enhanced, c.reason, "2 recipients in a message for account "+testLogin, "2 used", c.says)
			}
			p.must(p.data(hello))
			if len(p.offered) != n+1 || len(p.offered[n].Deliveries) != 2 {
				t.Fatalf("%s: offered are %+v", c.action, p.offered)
			}
		}
	}
}

// TestSizeOfAMessage: to the octet, before the content where it is announced; a large one that is cut off leaves nothing.
func TestSizeOfAMessage(t *testing.T) {
	large := hello + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 2000)
	for _, text := range []string{hello, large} {
		size := int64(len(text))
		for _, window := range []string{"message", "connection"} {
			p := begin(t, "bytes/"+window+"="+strconv.FormatInt(size, 10), limit.Defer)
			p.want(p.mail(size+1), 552, "5.3.4", smtp.ELimitSize, strconv.FormatInt(size, 10)+" bytes in a "+window+" for account "+testLogin)
			p.must(p.mail(size))
			p.must(p.rcpt("a@there.example"))
			p.want(p.data(text+"y"), 552, "5.3.4", smtp.ELimitSize)
			p.nothing()
			p.must(p.mail(size))
			p.must(p.rcpt("postmaster@gate.example.org"))
			p.must(p.data(text + "y\r\n")) // who cries for help is heard
			p.must(p.mail(size))
			p.must(p.rcpt("a@there.example"))
			p.must(p.data(text))
		}
	}
}

// TestMessagesOfAConnection: what was refused or given up gives back, and another connection has room of its own.
func TestMessagesOfAConnection(t *testing.T) {
	p := begin(t, "messages/connection=2", limit.Defer)
	p.must(p.send(1))
	p.must(p.mail(0))
	p.must(p.rcpt("a@there.example"))
	p.s.Reset()
	for range 3 {
		p.must(p.mail(0))
		p.must(p.rcpt("a@there.example"))
		wantReason(t, p.data("From: else@there.example\r\n\r\n"), smtp.EHeaderSenderNotOwned)
	}
	_, err := p.submit(p.s, testLogin, strings.NewReader(hello), "postmaster@gate.example.org") // it counts apart
	p.must(err)
	p.must(p.send(1))
	p.want(p.mail(0), 421, "4.7.0", smtp.ELimitConnection, "2 messages in a connection for account "+testLogin, "2 used", "room in a new connection")
	other := passing{p.fixture, p.login()}
	p.must(other.send(1))
	p.limited(ruleOf(limit.Account, testLogin, "messages/connection=2", limit.Refuse))
	p.want(p.mail(0), 550, "5.7.1", smtp.ELimitRefused, "2 used")
	p.must(other.send(1))
	p.limited(ruleOf(limit.Account, testLogin, "messages/connection=3", limit.Refuse))
	p.must(p.send(1)) // a higher one is felt at once
	p.want(p.mail(0), 550, "5.7.1", smtp.ELimitRefused, "3 used")
}

// TestRecipientsOfAConnection: they are counted over its messages.
func TestRecipientsOfAConnection(t *testing.T) {
	p := begin(t, "recipients/connection=5", limit.Defer)
	p.must(p.send(3))
	for range 2 {
		p.must(p.mail(0))
		p.must(p.rcpt("a@there.example"))
		p.must(p.rcpt("b@there.example"))
		p.want(p.rcpt("c@there.example"), 452, "4.7.1", smtp.ELimitReached, "5 recipients in a connection", "5 used", "room in a new connection")
		p.s.Reset()
	}
	p.must(p.send(2))
	p.want(p.mail(0), 421, "4.7.0", smtp.ELimitConnection, "5 used")
}

// TestSizeOfAConnection: what does not fit any more may come in another connection; something smaller in this one.
func TestSizeOfAConnection(t *testing.T) {
	p := begin(t, "bytes/connection="+strconv.Itoa(2*len(hello)), limit.Defer)
	p.must(p.send(1))
	p.want(p.mail(int64(len(hello)+1)), 452, "4.7.1", smtp.ELimitReached, "room in a new connection", strconv.Itoa(len(hello))+" used")
	p.must(p.mail(0))
	p.must(p.rcpt("a@there.example"))
	p.want(p.data(hello+"\r\n"), 452, "4.7.1", smtp.ELimitReached)
	p.must(p.send(1))
	p.want(p.mail(0), 421, "4.7.0", smtp.ELimitConnection)
}

// TestNothingOfAMessage: a limit of 0 stops all but what is for the postmaster.
func TestNothingOfAMessage(t *testing.T) {
	for text, reason := range map[string]smtp.Reason{
		"recipients/message=0": smtp.ELimitRecipientsRefused, "bytes/message=0": smtp.ELimitSize, "bytes/connection=0": smtp.ELimitSize,
		"messages/connection=0": smtp.ELimitRefused, "recipients/connection=0": smtp.ELimitRefused,
	} {
		p := begin(t, text, limit.Defer)
		p.must(p.mail(int64(len(hello))))
		err := p.rcpt("a@there.example")
		wantReason(t, err, reason)
		if reply := smtp.ReplyFor(err); reply.Temporary() {
			t.Errorf("%s: %v", text, reply)
		}
		p.must(p.rcpt("postmaster@gate.example.org"))
		p.must(p.data(hello))
	}
}

// TestPassingHoldsAndShadows: what is over a limit that holds waits for a person, one in shadow is noted once, and
// neither keeps anything out.
func TestPassingHoldsAndShadows(t *testing.T) {
	for text, data := range map[string]map[string]string{
		"recipients/message=1":    {"used": "0", "want": "2"},
		"bytes/message=20":        {"used": "0", "want": strconv.Itoa(len(hello))},
		"messages/connection=1":   {"used": "1", "want": "1"},
		"recipients/connection=3": {"used": "2", "want": "2"},
	} {
		p := begin(t, text, limit.Hold)
		p.must(p.send(2))
		p.must(p.send(2))
		last := p.offered[1]
		for _, d := range last.Deliveries {
			if d.State != queue.Held || d.HoldReason != queue.HoldLimit {
				t.Errorf("%s: delivered is %+v", text, d)
			}
		}
		stored, err := p.store.List(t.Context(), queue.Filter{Submission: last.Submission.ID})
		p.must(err)
		if len(stored) != 2 || stored[0].Delivery.State != queue.Held || stored[0].Delivery.HoldReason != queue.HoldLimit {
			t.Errorf("%s: stored are %+v", text, stored)
		}
		p.noted(audit.LimitHeld, last, text, data)

		p = begin(t, text, limit.Refuse)
		shadow := ruleOf(limit.Account, testLogin, text, limit.Refuse)
		shadow.Limit.Shadow = true
		p.limited(shadow)
		p.must(p.send(2))
		p.must(p.send(2))
		if last = p.offered[1]; last.Deliveries[1].State != queue.Queued {
			t.Errorf("%s: in shadow it is %s", text, last.Deliveries[1].State)
		}
		p.noted(audit.LimitShadow, last, text, data)
	}
}

// noted wants one event of a kind about a message.
func (p *passing) noted(kind audit.Kind, a *queue.Acceptance, text string, data map[string]string) {
	p.t.Helper()
	found := 0
	for _, e := range p.events(kind) {
		if e.Submission != a.Submission.ID {
			continue
		}
		found++
		if e.Data["limit"] != text || e.Data["subject"] != "account "+testLogin || e.Data["used"] != data["used"] || e.Data["want"] != data["want"] || e.Login != testLogin {
			p.t.Errorf("%s: the record has %+v", text, e)
		}
	}
	if found != 1 {
		p.t.Errorf("%s: the record has %d of %s", text, found, kind)
	}
}

// TestLimitMeanwhile: what holds when the content is there decides, and what others' limits refuse is given back.
func TestLimitMeanwhile(t *testing.T) {
	p := begin(t, "recipients/message=3", limit.Defer)
	p.must(p.mail(0))
	p.must(p.rcpt("a@there.example"))
	p.must(p.rcpt("b@there.example"))
	p.limited(ruleOf(limit.Account, testLogin, "recipients/message=1", limit.Defer))
	p.want(p.data(hello), 550, "5.5.3", smtp.ELimitRecipientsRefused, "1 recipient in a message", "2 more wanted")
	p.limited(ruleOf(limit.Account, testLogin, "messages/connection=1", limit.Defer), ruleOf(limit.Domain, "example.org", "recipients/hour=1", limit.Defer))
	wantReason(t, p.send(2), smtp.ELimitRefused)
	p.must(p.send(1))
	p.want(p.mail(0), 421, "4.7.0", smtp.ELimitConnection, "1 used")
}

// TestStrictestOfPassing: of several that are over the strictest decides, whoever's it is.
func TestStrictestOfPassing(t *testing.T) {
	p := begin(t, "messages/connection=1", limit.Hold)
	p.limited(ruleOf(limit.Account, testLogin, "recipients/message=1", limit.Hold), ruleOf(limit.Network, limit.Each, "recipients/message=2", limit.Refuse))
	p.must(p.mail(0))
	p.must(p.rcpt("a@there.example"))
	p.must(p.rcpt("b@there.example"))
	p.want(p.rcpt("c@there.example"), 550, "5.5.3", smtp.ELimitRecipientsRefused, "2 recipients in a message for your network, 2 used")
	p.must(p.data(hello))
	if d := p.offered[0].Deliveries; len(d) != 2 || d[0].State != queue.Held {
		t.Errorf("delivered are %+v", d)
	}
}

// TestFiltersAddBesideLimits: what a filter makes of a message is not the client's doing.
func TestFiltersAddBesideLimits(t *testing.T) {
	p := begin(t, "recipients/message=2", limit.Refuse)
	p.limited(
		ruleOf(limit.Account, testLogin, "recipients/message=2", limit.Refuse), ruleOf(limit.Account, testLogin, "recipients/connection=4", limit.Defer),
		ruleOf(limit.Account, testLogin, "bytes/message="+strconv.Itoa(len(hello)), limit.Refuse),
	)
	p.filtered("f", &program{answer: filter.Answer{Changes: filter.Changes{
		Added: []string{"archive@example.net"}, ReplacesBody: true, Body: []byte(strings.Repeat("x\r\n", 5000)),
	}}}, nil)
	for n := range 2 {
		p.must(p.send(2))
		if len(p.offered[n].Deliveries) != 3 {
			t.Fatalf("the filter has added nobody: %+v", p.offered[n].Deliveries)
		}
	}
	p.want(p.mail(0), 421, "4.7.0", smtp.ELimitConnection, "4 used")
}

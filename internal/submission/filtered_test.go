package submission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/filter"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/submission/filtering"
)

// program is a content filter that says what a test wants, and keeps what it was shown.
type program struct {
	answer filter.Answer
	err    error
	head   string
	body   string
	seen   filter.Message
	asked  int
}

// Ask implements filter.Program.
func (p *program) Ask(_ context.Context, m *filter.Message) (*filter.Answer, error) {
	p.asked++
	p.seen, p.head = *m, string(m.Head)
	r, err := m.Body()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	p.body = string(body)
	if p.err != nil {
		return nil, p.err
	}
	a := p.answer
	if a.Verdict == "" {
		a.Verdict = filter.Pass
	}
	return &a, nil
}

// Probe implements filter.Program.
func (p *program) Probe(context.Context) error { return p.err }

// all are the parts of a message.
func all() []filter.Part {
	return []filter.Part{filter.Headers, filter.Body, filter.Recipients, filter.Sender}
}

// filtered adds a filter to the fixture's listener, behind those that are there.
func (f *fixture) filtered(name string, p *program, change func(*filter.Options)) {
	f.t.Helper()
	o := filter.Options{Name: name, WhenAway: filter.Closed, May: all(), Timeout: time.Minute, Concurrent: 2, Failures: 5, Pause: time.Minute}
	if change != nil {
		change(&o)
	}
	made, err := filter.New(p, o, nil)
	f.must(err)
	if f.gate.opt.Filters == nil {
		f.gate.opt.Filters = map[string]filtering.Chain{}
	}
	f.gate.opt.Filters["test"] = append(f.gate.opt.Filters["test"], made)
}

func add(name, value string) filter.HeaderChange {
	return filter.HeaderChange{Act: filter.Add, Name: name, Value: " " + value}
}

// kept is a message as it was stored, with its deliveries and events.
type kept struct {
	head, body string
	sub        *queue.Submission
	deliveries []queue.Delivery
	events     []audit.Event
}

// accepted sends a message to two recipients and returns what was stored of it. Its
// signature must hold, and what was offered for delivery be the same.
func (f *fixture) accepted(text string) kept {
	f.t.Helper()
	id, err := f.submit(f.login(), testLogin, strings.NewReader(text), "b@example.com", "c@example.com")
	f.must(err)
	content, err := f.store.Content(f.t.Context(), id)
	f.must(err)
	items, err := f.store.List(f.t.Context(), queue.Filter{Submission: id})
	f.must(err)
	s := kept{head: string(content.Head), body: string(content.Body), sub: items[0].Submission}
	if content.Large != nil {
		r, err := content.Large.Open()
		f.must(err)
		defer r.Close()
		large, err := io.ReadAll(r)
		f.must(err)
		s.body = string(large)
	}
	for _, i := range items {
		s.deliveries = append(s.deliveries, i.Delivery)
	}
	s.events, err = f.store.Search(f.t.Context(), audit.Query{Submission: id})
	f.must(err)
	if want := int64(len(s.head) + len(s.body)); s.sub.Size != want {
		f.t.Errorf("the size is stored as %d, want %d", s.sub.Size, want)
	}
	f.verify(s.head + s.body)
	return s
}

func (s *kept) to() (list []string) {
	for _, d := range s.deliveries {
		list = append(list, d.Recipient.To.String())
	}
	return list
}

// held reports whether all deliveries are held for a filter, and none is if not.
func (s *kept) held(t *testing.T) bool {
	t.Helper()
	n := 0
	for _, d := range s.deliveries {
		if d.State == queue.Held && d.HoldReason == queue.HoldFilter {
			n++
		} else if d.State != queue.Queued {
			t.Errorf("a delivery is %s for %q", d.State, d.HoldReason)
		}
	}
	if n != 0 && n != len(s.deliveries) {
		t.Errorf("%d of %d deliveries are held", n, len(s.deliveries))
	}
	return n > 0
}

// TestFilterPasses: the filter sees the message as it leaves, and nothing becomes of it but a
// word in the record.
func TestFilterPasses(t *testing.T) {
	for _, body := range []string{"Hello\r\n", strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 8000)} {
		f := newFixture(t)
		p := &program{}
		f.filtered("f", p, nil)
		got := f.accepted("From: Shop <shop@example.org>\r\nTo: b@example.com\r\nBcc: c@example.com\r\n\r\n" + body)
		if !strings.HasSuffix(got.head, p.head) || p.body != got.body || body != got.body {
			t.Errorf("shown\n%s\nwhat leaves is\n%s", p.head, got.head)
		}
		if !strings.HasPrefix(p.head, "From: Shop") || !strings.Contains(p.head, "Message-ID: ") || strings.Contains(p.head, "Bcc") || strings.Contains(p.head, "Received") {
			t.Errorf("shown\n%s", p.head)
		}
		if got.held(t) || !slices.Equal(kinds(got.events), []audit.Kind{audit.Accepted}) || got.events[0].Data["filters"] != "f: passed" {
			t.Errorf("%+v", got.events)
		}
		m := p.seen
		if m.ID != got.sub.ID || m.Login != testLogin || m.Mechanism != "PLAIN" || m.TLS != "TLS 1.3" || m.Listener != "test" ||
			m.Client.String() != "192.0.2.7:4711" || m.Hostname != "gate.example.org" || m.Envelope.From.String() != testLogin || len(m.Recipients) != 2 {
			t.Errorf("shown %+v", m)
		}
	}
}

// TestFilterOfAnotherListener is not asked.
func TestFilterOfAnotherListener(t *testing.T) {
	f := newFixture(t)
	p := &program{answer: filter.Answer{Verdict: filter.Refuse}}
	f.filtered("f", p, nil)
	f.gate.opt.Filters = map[string]filtering.Chain{"other": f.gate.opt.Filters["test"]}
	if got := f.accepted(plainMail); p.asked != 0 || got.events[0].Data["filters"] != "" {
		t.Errorf("asked %d times", p.asked)
	}
}

// TestFilterRefuses: under its own codes where these fit, in words that are safe.
func TestFilterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answer filter.Answer
		reason smtp.Reason
		want   string
	}{
		"plainly":  {filter.Answer{Verdict: filter.Refuse}, smtp.EFilterRefused, "550 5.7.1 The message's content is refused here."},
		"in words": {filter.Answer{Verdict: filter.Refuse, Reply: filter.Reply{Code: 554, Enhanced: "5.7.26", Text: "Gtube pattern"}}, smtp.EFilterRefused, "554 5.7.26 The message's content is refused here: Gtube pattern"},
		"ending the session": {filter.Answer{Verdict: filter.Defer, Reply: filter.Reply{Code: 421, Enhanced: "4.7.0", Text: "go away"}}, smtp.EFilterDeferred,
			"451 4.7.0 The message's content cannot be accepted at the moment; try again later: go away"},
		"in contradiction": {filter.Answer{Verdict: filter.Defer, Reply: filter.Reply{Code: 550, Enhanced: "5.7.1"}}, smtp.EFilterDeferred,
			"451 4.7.1 The message's content cannot be accepted at the moment; try again later."},
		"as an attack": {filter.Answer{Verdict: filter.Refuse, Reply: filter.Reply{Code: 550, Text: "a\r\n250 ok\x00\x1b[1m" + strings.Repeat("ä", 300)}}, smtp.EFilterRefused,
			"550 5.7.1 The message's content is refused here: a 250 ok [1m" + strings.Repeat("ä", 72) + "..."},
		"all of it": {filter.Answer{Verdict: filter.Defer}, smtp.EFilterDeferred, "451 4.7.1 The message's content cannot be accepted at the moment; try again later."},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.filtered("f", &program{answer: c.answer}, nil)
			s := f.login()
			_, err := f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
			wantReason(t, err, c.reason)
			if got := smtp.ReplyFor(err).Error(); got != c.want {
				t.Errorf("%s, want\n%s", got, c.want)
			}
			f.must(f.recorder.Flush(t.Context()))
			events, err := f.store.Search(t.Context(), audit.Query{Kind: audit.FilterRefused})
			f.must(err)
			if len(events) != 1 || events[0].Data["filter"] != "f" || events[0].Data["queue_id"] == "" || events[0].Reason != string(c.reason) || events[0].Session == "" || events[0].Submission != "" {
				t.Errorf("%+v", events)
			}
			if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued+stats.Held != 0 || len(f.offered) != 0 {
				t.Errorf("%+v, %v: something is left", stats, err)
			}
		})
	}
}

// TestFilterChanges: header, body, recipients and sender, signed afterwards, and each by itself.
func TestFilterChanges(t *testing.T) {
	f := newFixture(t)
	f.must(f.admin.SetAccount(t.Context(), address(t, testLogin), admin.AccountChange{AddAliases: []mail.Address{address(t, "sales@example.org")}}))
	sender := "<sales@example.org>"
	large := strings.Repeat("a large new body with ümlauts\r\n", 5000)
	for name, c := range map[string]struct {
		changes filter.Changes
		check   func(*kept) bool
	}{
		"header": {filter.Changes{Header: []filter.HeaderChange{add("X-Spam", "no"), {Act: filter.Change, At: 1, Name: "Subject", Value: " [x] Hi"}, {Act: filter.Insert, Name: "X-Top", Value: " t"}}},
			func(s *kept) bool {
				return strings.Contains(s.head, "X-Spam: no\r\n") && strings.Contains(s.head, "\r\nSubject: [x] Hi\r\n") && strings.Contains(s.head, "X-Top: t\r\nFrom:") && s.body == "Hello\r\n"
			}},
		"small body": {filter.Changes{ReplacesBody: true, Body: []byte("new")}, func(s *kept) bool { return s.body == "new\r\n" }},
		"no body":    {filter.Changes{ReplacesBody: true}, func(s *kept) bool { return s.body == "" }},
		"large body": {filter.Changes{ReplacesBody: true, Body: []byte(large)}, func(s *kept) bool { return s.body == large && s.sub.Envelope.Body == mail.Body8Bit }},
		"recipients": {filter.Changes{Added: []string{"<archive@example.net>", "c@example.com"}, Removed: []string{"<b@example.com>", "nobody@example.com"}},
			func(s *kept) bool { return slices.Equal(s.to(), []string{"c@example.com", "archive@example.net"}) }},
		"sender": {filter.Changes{Sender: &sender}, func(s *kept) bool { return s.sub.Envelope.From.String() == "sales@example.org" }},
		"removed fields": {filter.Changes{Header: []filter.HeaderChange{{Act: filter.Change, At: 1, Name: "Date"}, {Act: filter.Change, At: 1, Name: "Message-ID"}, add("Bcc", "x@example.com"), add("Received", "by filter; "+time.Now().Format(time.RFC1123Z))}},
			func(s *kept) bool {
				return strings.Count(s.head, "\r\nDate: ") == 1 && strings.Count(s.head, "\r\nMessage-ID: ") == 1 && !strings.Contains(s.head, "Bcc") && strings.Contains(s.head, "Received: by gate.example.org")
			}},
	} {
		f.gate.opt.Filters = nil
		f.filtered("f", &program{answer: filter.Answer{Changes: c.changes}}, nil)
		got := f.accepted(plainMail)
		if !c.check(&got) || got.held(t) {
			t.Errorf("%s: stored\n%s%.200s to %q from %s", name, got.head, got.body, got.to(), got.sub.Envelope.From)
		}
		if !slices.Equal(kinds(got.events), []audit.Kind{audit.Accepted, audit.FilterChanged}) || got.events[0].Data["filters"] != "f: changed" || got.events[1].Text == "" {
			t.Errorf("%s: %+v", name, got.events)
		}
	}
}

// TestReplacedBodiesLeaveNothing: the file of a body goes when another takes its place, or the
// message is refused.
func TestReplacedBodiesLeaveNothing(t *testing.T) {
	large := strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 8000)
	wantFiles := func(f *fixture, want int) {
		t.Helper()
		if files, err := filepath.Glob(filepath.Join(f.dir, "bodies", "*", "*")); err != nil || len(files) != want {
			t.Errorf("%q, %v: want %d bodies", files, err, want)
		}
	}
	for body, want := range map[string]int{"small\r\n": 0, large + "more\r\n": 1} {
		f := newFixture(t)
		f.filtered("f", &program{answer: filter.Answer{Changes: filter.Changes{ReplacesBody: true, Body: []byte(body)}}}, nil)
		if got := f.accepted(plainMail + large); got.body != body {
			t.Errorf("%d octets, want %d", len(got.body), len(body))
		}
		wantFiles(f, want)
		f.filtered("g", &program{answer: filter.Answer{Verdict: filter.Refuse}}, nil)
		_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail+large), "b@example.com")
		wantReason(t, err, smtp.EFilterRefused)
		wantFiles(f, want)
	}
	// What is too large with its header.
	f := newFixture(t)
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", "small"))
	f.filtered("f", &program{answer: filter.Answer{Changes: filter.Changes{ReplacesBody: true, Body: []byte(strings.Repeat("0123456789abcdef01\r\n", 20_000))}}}, nil)
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EMessageTooLarge)
	wantFiles(f, 0)
	// What is refused when the new body is stored already.
	f = newFixture(t)
	f.filtered("f", &program{answer: filter.Answer{Changes: filter.Changes{ReplacesBody: true, Body: []byte(large)}}}, nil)
	inner := f.gate.opt.Filters["test"][0]
	made, err := filter.New(&before{inner.Ask, func() { f.must(f.admin.SuspendAccount(t.Context(), address(t, testLogin))) }}, inner.Options, nil)
	f.must(err)
	f.gate.opt.Filters["test"] = filtering.Chain{made}
	_, err = f.submit(f.login(), testLogin, strings.NewReader(plainMail+large), "b@example.com")
	wantReason(t, err, smtp.EAccountSuspended)
	wantFiles(f, 0)
}

// TestFilterOversteps: what a filter may not, or what may not be sent, is not done, nor
// anything else that it wants with it; the message is held as it was.
func TestFilterOversteps(t *testing.T) {
	f := newFixture(t)
	text := func(s string) *string { return &s }
	headers := func(o *filter.Options) { o.May = []filter.Part{filter.Headers} }
	many := make([]string, 101)
	for i := range many {
		many[i] = "x" + strings.Repeat("y", i) + "@example.net"
	}
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", "small"))
	for name, c := range map[string]struct {
		changes filter.Changes
		change  func(*filter.Options)
		why     string
	}{
		"body, and may not":       {filter.Changes{ReplacesBody: true, Body: []byte("new\r\n")}, headers, "it wants to change the body, which it may not"},
		"recipients, and may not": {filter.Changes{Added: []string{"d@example.com"}}, headers, "it wants to change the recipients, which it may not"},
		"sender, and may not":     {filter.Changes{Sender: text(testLogin)}, headers, "it wants to change the sender, which it may not"},
		"header, and may not":     {filter.Changes{}, func(o *filter.Options) { o.May = nil }, "it wants to change the headers, which it may not"},
		"another's From":          {filter.Changes{Header: []filter.HeaderChange{{Act: filter.Change, At: 1, Name: "From", Value: " x@example.net"}}}, nil, "may not be sent: This login may not send as x@example.net"},
		"a second From":           {filter.Changes{Header: []filter.HeaderChange{add("From", testLogin)}}, nil, "may not be sent: The message has more than one From field"},
		"no From":                 {filter.Changes{Header: []filter.HeaderChange{{Act: filter.Change, At: 1, Name: "From"}}}, nil, "may not be sent: The message has no From field"},
		"another's Sender":        {filter.Changes{Header: []filter.HeaderChange{add("Sender", "x@example.net")}}, nil, "may not send as x@example.net"},
		"another's Resent-From":   {filter.Changes{Header: []filter.HeaderChange{add("Resent-From", "x@example.net")}}, nil, "may not send as x@example.net"},
		"a smuggled From":         {filter.Changes{Header: []filter.HeaderChange{add("X-A", "v\r\nFrom: x@example.net")}}, nil, "what it wants cannot be done: the value of X-A has a line"},
		"a smuggled body":         {filter.Changes{Header: []filter.HeaderChange{add("X-A", "v\n\nbody")}}, nil, "what it wants cannot be done"},
		"a bare CR":               {filter.Changes{Header: []filter.HeaderChange{add("X-A", "v\rFrom: x")}}, nil, "control character 0x0d"},
		"raw octets":              {filter.Changes{Header: []filter.HeaderChange{add("X A", "v")}}, nil, "not the name of a header field"},
		"a long line":             {filter.Changes{Header: []filter.HeaderChange{add("X-A", strings.Repeat("x", 2000))}}, nil, "may not be sent: The message's header is too large"},
		"a large header":          {filter.Changes{Header: slices.Repeat([]filter.HeaderChange{add("X-A", strings.Repeat("x", 900))}, 900)}, nil, "may not be sent: The message's header is too large"},
		"a broken address":        {filter.Changes{Added: []string{"<d@@example.com>"}}, nil, "what it wants cannot be done"},
		"a command":               {filter.Changes{Added: []string{"<d@example.com>\r\nDATA"}}, nil, "what it wants cannot be done"},
		"nobody as recipient":     {filter.Changes{Added: []string{"<>"}}, nil, "nobody is no recipient"},
		"too many":                {filter.Changes{Added: many}, nil, "more than 100 further recipients"},
		"no recipient":            {filter.Changes{Removed: []string{"b@example.com", "C@EXAMPLE.COM", "c@example.com"}}, nil, "no recipient would be left"},
		"parameters":              {filter.Changes{Added: []string{"d@example.com"}, Parameters: true}, nil, "parameters of addresses are not taken"},
		"UTF-8":                   {filter.Changes{Added: []string{"dörte@example.com"}}, nil, "needs SMTPUTF8"},
		"another's sender":        {filter.Changes{Sender: text("<x@example.net>")}, nil, "may not be sent: This login may not send from x@example.net"},
		"no sender":               {filter.Changes{Sender: text("<>")}, nil, "may not be sent: This login may not send with an empty sender"},
		"bare line ends":          {filter.Changes{ReplacesBody: true, Body: []byte("a\nb\r\n")}, nil, "what it wants cannot be done"},
		"a smuggled message":      {filter.Changes{ReplacesBody: true, Body: []byte("a\r\n.\rb\r\n")}, nil, "what it wants cannot be done"},
		"NUL":                     {filter.Changes{ReplacesBody: true, Body: []byte("a\x00\r\n")}, nil, "what it wants cannot be done"},
		"a body over the plan's":  {filter.Changes{ReplacesBody: true, Body: bytes.Repeat([]byte("0123456789\r\n"), 40_000)}, nil, "what it wants cannot be done"},
	} {
		t.Run(name, func(t *testing.T) {
			f := *f
			f.t, f.gate.opt.Filters = t, nil
			c.changes.Header = append([]filter.HeaderChange{add("X-First", "v")}, c.changes.Header...)
			if strings.Contains(c.why, "to change") && name != "header, and may not" {
				c.changes.Header = nil
			}
			f.filtered("f", &program{answer: filter.Answer{Changes: c.changes}}, c.change)
			behind := &program{}
			f.filtered("g", behind, nil)
			got := f.accepted(plainMail)
			if !got.held(t) || got.body != "Hello\r\n" || strings.Contains(got.head, "X-First") || !slices.Equal(got.to(), []string{"b@example.com", "c@example.com"}) || got.sub.Envelope.From.String() != testLogin {
				t.Errorf("stored\n%s%s to %q", got.head, got.body, got.to())
			}
			if !slices.Equal(kinds(got.events), []audit.Kind{audit.Accepted, audit.FilterHeld}) || !strings.Contains(got.events[1].Text, c.why) {
				t.Errorf("%+v, want %q", got.events, c.why)
			}
			if behind.asked != 1 || strings.Contains(behind.head, "X-First") {
				t.Error("the next filter was not shown the message as it was")
			}
		})
	}
}

// TestFilterHolds: by quarantine, with what it wants changed, and where it wants the message thrown away.
func TestFilterHolds(t *testing.T) {
	f := newFixture(t)
	f.filtered("f", &program{answer: filter.Answer{Quarantined: true, Because: "looks\r\nodd", Changes: filter.Changes{Header: []filter.HeaderChange{add("X-Spam", "yes")}}}}, nil)
	got := f.accepted(plainMail)
	if !got.held(t) || !strings.Contains(got.head, "X-Spam: yes") || got.events[0].Data["filters"] != "f: held" ||
		!slices.Equal(kinds(got.events), []audit.Kind{audit.Accepted, audit.FilterChanged, audit.FilterHeld}) || got.events[2].Text != "it wants the message held: looks odd" {
		t.Errorf("%s%+v", got.head, got.events)
	}
	f.gate.opt.Filters = nil
	f.filtered("f", &program{answer: filter.Answer{Verdict: filter.Discard}}, nil)
	got = f.accepted(plainMail)
	if !got.held(t) || got.events[1].Text != "it wants the message thrown away" {
		t.Errorf("%+v", got.events)
	}
	n, err := f.store.Release(t.Context(), queue.Filter{Submission: got.sub.ID}, audit.Event{At: time.Now(), Kind: audit.DeliveryReleased, Actor: "test"})
	if err != nil || n != 2 {
		t.Errorf("released %d, %v", n, err)
	}
}

// TestFilterAway: the operator says what becomes of messages then, and the record has it.
func TestFilterAway(t *testing.T) {
	gone := errors.New("gone fishing")
	for _, away := range []filter.Away{filter.Open, filter.Hold} {
		f := newFixture(t)
		f.filtered("f", &program{err: gone}, func(o *filter.Options) { o.WhenAway = away })
		got := f.accepted(plainMail)
		want := []audit.Kind{audit.Accepted, audit.FilterAway}
		if away == filter.Hold {
			want = append(want, audit.FilterHeld)
		}
		e := got.events[1]
		if got.held(t) != (away == filter.Hold) || !slices.Equal(kinds(got.events), want) || e.Data["action"] != string(away) || !strings.Contains(e.Text, gone.Error()) || e.Data["filter"] != "f" {
			t.Errorf("%s: %+v", away, got.events)
		}
		if got.events[0].Data["filters"] != "f: away" {
			t.Errorf("%s: %+v", away, got.events[0])
		}
	}
	f := newFixture(t)
	f.filtered("f", &program{err: gone}, nil)
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EFilterAway)
	if got := smtp.ReplyFor(err); got.Code != 451 || got.Enhanced.String() != "4.7.1" || strings.Contains(got.Text, "fishing") {
		t.Errorf("%s", got.Error())
	}
	f.must(f.recorder.Flush(t.Context()))
	events, err := f.store.Search(t.Context(), audit.Query{Kind: audit.FilterAway})
	if err != nil || len(events) != 1 || events[0].Data["action"] != "closed" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestUnreadBody: where the body cannot be read that is no matter of the filter, and the message
// is refused, whatever is done while that is away.
func TestUnreadBody(t *testing.T) {
	f := newFixture(t)
	f.filtered("f", &program{err: fmt.Errorf("%w: %w", filter.ErrUnread, fault.New("body", fault.Full, "broken"))}, func(o *filter.Options) { o.WhenAway = filter.Open })
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EStoreFull)
}

// TestFilterInShadow: whatever it says, the message goes on as it came, and the record has what
// would have been.
func TestFilterInShadow(t *testing.T) {
	for action, p := range map[string]*program{
		"refuse": {answer: filter.Answer{Verdict: filter.Refuse, Reply: filter.Reply{Code: 554, Enhanced: "5.7.1", Text: "spam"}}},
		"defer":  {answer: filter.Answer{Verdict: filter.Defer}},
		"hold":   {answer: filter.Answer{Quarantined: true, Because: "odd", Changes: filter.Changes{Header: []filter.HeaderChange{add("X-Spam", "yes")}}}},
		"change": {answer: filter.Answer{Changes: filter.Changes{ReplacesBody: true, Header: []filter.HeaderChange{add("X-Spam", "no")}}}},
		"":       {err: errors.New("gone")},
	} {
		f := newFixture(t)
		f.filtered("f", p, func(o *filter.Options) { o.Shadow = true })
		behind := &program{}
		f.filtered("g", behind, nil)
		got := f.accepted(plainMail)
		kind := audit.FilterShadow
		if action == "" {
			kind, action = audit.FilterAway, "shadow"
		}
		if got.held(t) || strings.Contains(got.head, "X-Spam") || got.body != "Hello\r\n" || strings.Contains(behind.head, "X-Spam") || behind.body != "Hello\r\n" {
			t.Errorf("%s: stored\n%s%s", action, got.head, got.body)
		}
		if !slices.Equal(kinds(got.events), []audit.Kind{audit.Accepted, kind}) || got.events[1].Data["action"] != action || got.events[1].Text == "" {
			t.Errorf("%s: %+v", action, got.events)
		}
	}
}

// TestFiltersInOrder: each sees what those before have made; a refusal is the last word.
func TestFiltersInOrder(t *testing.T) {
	f := newFixture(t)
	first := &program{answer: filter.Answer{Changes: filter.Changes{Header: []filter.HeaderChange{add("X-First", "1")}, ReplacesBody: true, Body: []byte("first\r\n"), Added: []string{"d@example.com"}}}}
	second := &program{answer: filter.Answer{Changes: filter.Changes{Header: []filter.HeaderChange{add("X-Second", "2")}}}}
	f.filtered("a", first, nil)
	f.filtered("b", second, nil)
	got := f.accepted(plainMail)
	if !strings.Contains(second.head, "X-First: 1") || second.body != "first\r\n" || len(second.seen.Recipients) != 3 {
		t.Errorf("the second saw\n%s%s", second.head, second.body)
	}
	if !strings.Contains(got.head, "X-First: 1\r\nX-Second: 2\r\n") || got.body != "first\r\n" || len(got.deliveries) != 3 || got.events[0].Data["filters"] != "a: changed, b: changed" {
		t.Errorf("stored\n%s%s %+v", got.head, got.body, got.events[0])
	}
	third := &program{}
	second.answer = filter.Answer{Verdict: filter.Refuse}
	f.filtered("c", third, nil)
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EFilterRefused)
	if third.asked != 0 {
		t.Error("the third was asked about what was refused")
	}
}

// TestSuspendedWhileFiltered: what the account may do is judged after the filters.
func TestSuspendedWhileFiltered(t *testing.T) {
	f := newFixture(t)
	f.filtered("f", &program{}, nil)
	inner := f.gate.opt.Filters["test"][0]
	made, err := filter.New(&before{inner.Ask, func() { f.must(f.admin.SuspendAccount(t.Context(), address(t, testLogin))) }}, inner.Options, nil)
	f.must(err)
	f.gate.opt.Filters["test"] = filtering.Chain{made}
	_, err = f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EAccountSuspended)
}

// before is a program that does something first.
type before struct {
	ask func(context.Context, *filter.Message) (*filter.Answer, error)
	do  func()
}

// Ask implements filter.Program.
func (b *before) Ask(ctx context.Context, m *filter.Message) (*filter.Answer, error) {
	b.do()
	return b.ask(ctx, m)
}

// Probe implements filter.Program.
func (*before) Probe(context.Context) error { return nil }

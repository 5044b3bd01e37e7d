package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// TestPrintEventsNamesAnObjectOnce: what follows from a suspension has its object
// in its text, too.
func TestPrintEventsNamesAnObjectOnce(t *testing.T) {
	for want, e := range map[string]audit.Event{
		"account a@b.example: spam [suspended] by cli:root": {Object: "account a@b.example", Text: "account a@b.example: spam", Reason: "suspended", Actor: "cli:root"},
		"account a@b.example: spam by cli:root":             {Object: "account a@b.example", Text: "spam", Actor: "cli:root"},
		"account a@b.example by cli:root":                   {Object: "account a@b.example", Actor: "cli:root"},
	} {
		var out bytes.Buffer
		if err := PrintEvents(&out, false, []audit.Event{e}); err != nil || !strings.HasSuffix(out.String(), " - "+" "+want+"\n") {
			t.Errorf("printed %q, want %q", out.String(), want)
		}
	}
}

// record is an audit.Store over a list of events.
type record struct {
	events   []audit.Event
	searches int
}

func (r *record) Append(_ context.Context, events []audit.Event) error {
	for _, e := range events {
		e.Seq = int64(len(r.events) + 1)
		r.events = append(r.events, e)
	}
	return nil
}

func (r *record) Search(_ context.Context, q audit.Query) ([]audit.Event, error) {
	r.searches++
	var out []audit.Event
	for _, e := range r.events {
		if q.Matches(&e) {
			out = append(out, e)
		}
	}
	if over := len(out) - q.Limit; over > 0 && q.Newest {
		return out[over:], nil
	} else if over > 0 {
		return out[:q.Limit], nil
	}
	return out, nil
}

// withQueue is a record that also lists a queue.
type withQueue struct {
	*record
	items []queue.Item
}

func (w withQueue) List(_ context.Context, f queue.Filter) ([]queue.Item, error) {
	var out []queue.Item
	for _, item := range w.items {
		to := f.To.IsNull() || f.To == item.Delivery.Recipient.To
		if to && (f.Submission == "" || item.Delivery.Submission == f.Submission) {
			out = append(out, item)
		}
	}
	return out, nil
}

var start = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func fill(t *testing.T, events ...audit.Event) *record {
	t.Helper()
	r := &record{}
	if err := r.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	return r
}

// kinds lists what is told, in order.
func kinds(s *Story) string {
	var out []string
	for _, e := range s.events {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func TestStoryOfASubmission(t *testing.T) {
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	r := fill(t,
		audit.Event{At: at(2), Kind: audit.Accepted, Session: "S", Submission: "M"},
		audit.Event{At: at(3), Kind: audit.Accepted, Session: "S", Submission: "OTHER"},
		audit.Event{At: at(11), Kind: audit.BounceAccepted, Submission: "B", Data: map[string]string{"cause": "M"}},
		audit.Event{At: at(9), Kind: audit.BounceAccepted, Submission: "C", Data: map[string]string{"cause": "OTHER"}},
		audit.Event{At: at(9), Kind: audit.DeliveryFailed, Session: "S", Submission: "M", Delivery: 1},
		audit.Event{At: at(9), Kind: audit.DeliveryFailed, Session: "S", Submission: "M", Delivery: 2},
		audit.Event{At: at(11), Kind: audit.DeliveryFailed, Session: "S", Submission: "M", Delivery: 3},
		audit.Event{At: at(1), Kind: audit.AuthPassed, Session: "S"}, // recorded late, happened early
		audit.Event{At: at(1), Kind: audit.AuthPassed, Session: "T"},
	)
	s, err := Read(t.Context(), r, "M")
	if err != nil {
		t.Fatal(err)
	}
	const want = "auth.passed submission.accepted delivery.failed delivery.failed delivery.failed submission.bounced"
	if got := kinds(s); got != want || s.submission != "M" || s.session != "S" {
		t.Errorf("told %s (%s, %s); want %s", got, s.submission, s.session, want)
	}
	s, err = Read(t.Context(), r, "S")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(kinds(s), "submission.accepted"); got != 2 || s.submission != "" {
		t.Errorf("the session's story has %d submissions: %s", got, kinds(s))
	}
	if _, err := Read(t.Context(), r, "X"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that nothing is known of: %v", err)
	}
}

func TestLongStoryIsComplete(t *testing.T) {
	var events []audit.Event
	for n := range 2500 {
		events = append(events, audit.Event{
			At: start.Add(time.Duration(n) * time.Millisecond), Kind: audit.DeliveryDeferred, Submission: "M", Delivery: n + 1,
		})
	}
	r := fill(t, events...)
	s, err := Read(t.Context(), r, "M")
	if err != nil || len(s.events) != 2500 {
		t.Errorf("%d of 2500 events, %v", len(s.events), err)
	}
	if r.searches > 10 {
		t.Errorf("%d searches for one story", r.searches)
	}
}

func TestPrintedStory(t *testing.T) {
	r := fill(t,
		audit.Event{At: start, Kind: audit.AuthFailed, Session: "S", Client: "192.0.2.1", Login: "tried@example.org", Code: 535, Reason: "auth-failed"},
		audit.Event{At: start, Kind: audit.Accepted, Session: "S", Submission: "M", Login: "a@example.org", Text: "evil\x1b[2J"},
	)
	from := mail.Address{Local: "a", Domain: "example.org"}
	store := withQueue{r, []queue.Item{
		{Submission: &queue.Submission{ID: "M", Envelope: mail.Envelope{From: from}}, Delivery: queue.Delivery{
			Submission: "M", N: 1, State: queue.Held, HoldReason: "looks odd", Recipient: mail.Recipient{To: from},
		}},
		{Submission: &queue.Submission{ID: "N"}, Delivery: queue.Delivery{Submission: "N", N: 1}},
	}}
	s, err := Read(t.Context(), store, "M")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `submission  M
session     S
account     a@example.org
client      192.0.2.1

2026-11-20 10:00:00.000Z  auth.failed          535 [auth-failed] as tried@example.org
2026-11-20 10:00:00.000Z  submission.accepted  evil` + "\ufffd" + `[2J
waiting                   held                 #1 a@example.org until it is released looks odd
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := s.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var v struct {
		Session, Submission string
		Events, Waiting     []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if v.Session != "S" || v.Submission != "M" || len(v.Events) != 2 || len(v.Waiting) != 1 || fmt.Sprint(v.Waiting[0]["hold_reason"]) != "looks odd" {
		t.Errorf("as JSON: %s", out.String())
	}
}

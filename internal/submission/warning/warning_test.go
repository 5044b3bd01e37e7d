package warning

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// TestWhoHears: of what limits mails are written, and to whom.
func TestWhoHears(t *testing.T) {
	ops := mail.Address{Local: "ops", Domain: "provider.example"}
	w := &Writer{IDs: &mail.IDSource{}, Now: time.Now, Host: "gate.example", Lifetime: time.Hour, Operator: ops}
	for _, c := range []struct {
		text string
		kind limit.Kind
		want int
	}{
		{"messages/hour=10", limit.Account, 2},
		{"messages/hour=10", limit.Customer, 1},
		{"messages/minute=10", limit.Account, 0},
		{"failed-recipients/day=10", limit.Account, 0},
	} {
		l, err := limit.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		near := []limit.Breach{{Subject: limit.Subject{Kind: c.kind, Name: "ann@one.example"}, Limit: l, Used: 8, Want: 1}}
		list := w.Notices(&queue.Submission{Login: "ann@one.example"}, near)
		if len(list) != 1 || list[0].About != near[0].Key() {
			t.Fatalf("%+v: the store is not answered: %+v", c, list)
		}
		if n := len(list[0].Messages); n != c.want {
			t.Errorf("%s of %s: %d mails, want %d", c.text, c.kind, n, c.want)
		}
	}
}

// TestCeiling: the operator gets so many mails an hour, whoever has limits near, and the log one
// line about the others; whose account it is hears all the same.
func TestCeiling(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	ops := mail.Address{Local: "ops", Domain: "provider.example"}
	w := &Writer{
		IDs: &mail.IDSource{}, Now: func() time.Time { return now }, Host: "gate.example", Lifetime: time.Hour, Operator: ops,
		Ceiling: &Ceiling{}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	l, err := limit.Parse("messages/hour=10")
	if err != nil {
		t.Fatal(err)
	}
	near := []limit.Breach{{Subject: limit.Subject{Kind: limit.Account, Name: "ann@one.example"}, Limit: l, Used: 8, Want: 1}}
	told := func(tries int) (operator, owner int) {
		for range tries {
			for _, m := range w.Notices(&queue.Submission{Login: "ann@one.example"}, near)[0].Messages {
				if m.Deliveries[0].Recipient.To == ops {
					operator++
				} else {
					owner++
				}
			}
		}
		return operator, owner
	}
	if operator, owner := told(100); operator != MaxHourly || owner != 100 {
		t.Errorf("the operator had %d mails, the owner %d", operator, owner)
	}
	now = now.Add(59 * time.Minute)
	if operator, _ := told(1); operator != 0 {
		t.Error("another mail within the hour")
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "ann@one.example") {
		t.Errorf("the log has %d lines: %s", n, log.String())
	}
	now = now.Add(time.Minute)
	if operator, _ := told(100); operator != MaxHourly {
		t.Errorf("the operator had %d mails in the next hour", operator)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("the log has %d lines", n)
	}
}

package warning

import (
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
		text   string
		shadow bool
		kind   limit.Kind
		want   int
	}{
		{"messages/hour=10", false, limit.Account, 2},
		{"messages/hour=10", false, limit.Customer, 1},
		{"messages/hour=10", true, limit.Account, 0},
		{"messages/hour=10", true, limit.Customer, 0},
		{"messages/minute=10", false, limit.Account, 0},
		{"failed-recipients/day=10", false, limit.Account, 0},
	} {
		l, err := limit.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		l.Shadow = c.shadow
		near := []limit.Breach{{Subject: limit.Subject{Kind: c.kind, Name: "ann@one.example"}, Limit: l, Used: 8, Want: 1}}
		list := w.Notices(&queue.Submission{Login: "ann@one.example"}, near)
		if len(list) != 1 || list[0].About != near[0].Key() {
			t.Fatalf("%+v: the store is not answered: %+v", c, list)
		}
		if n := len(list[0].Messages); n != c.want {
			t.Errorf("%s of %s, shadow %v: %d mails, want %d", c.text, c.kind, c.shadow, n, c.want)
		}
	}
}

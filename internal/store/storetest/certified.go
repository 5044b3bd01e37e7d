package storetest

import (
	"errors"
	"slices"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest/expect"
)

func certifiedCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"what came with certificates is found by its record": certifiedIsFound,
		"what came with certificates is found in portions":   certifiedInPortions,
		"what came with a certificate is held once":          certifiedIsHeldOnce,
	}
}

// withCard gives ann a certificate, and returns how her n-th message comes with it.
func withCard(t *testing.T, s Store) func(n int, path string, recipients ...string) *queue.Acceptance {
	t.Helper()
	p := settle(t, s)
	card := account.Credential{ID: ID("CRE", 7), Kind: account.Certificate, Name: "card", Subject: "cn:card", Created: Start(), Changed: Start()}
	p.ann.Credentials = append(p.ann.Credentials, card)
	expect.Must(t, s.PutAccount(expect.Within(t), p.ann, Event("card")))
	p.ann.Revision++
	generation := expect.Got(s.Generation(expect.Within(t)))(t)
	return func(n int, path string, recipients ...string) *queue.Acceptance {
		m := messageOf(p.ann, "acme", generation, n)
		m.Submission.Credential = card.ID
		m.Deliveries = Message(n, recipients...).Deliveries
		if path != "" {
			m.Events[0].Data = map[string]string{queue.CertificatePath: path}
		}
		return m
	}
}

// certified lists what came with certificates under credentials of kinds.
func certified(t *testing.T, s Store, kinds ...account.CredentialKind) (all []queue.Came) {
	t.Helper()
	var names []string
	for _, kind := range kinds {
		names = append(names, string(kind))
	}
	expect.Must(t, s.Certified(expect.Within(t), names, func(list []queue.Came) error {
		all = append(all, list...)
		return nil
	}))
	return all
}

func certifiedIsFound(t *testing.T, s Store) {
	ctx := expect.Within(t)
	by := withCard(t, s)
	tried := by(2, "b", "x", "y", "z")
	tried.Deliveries[1].State, tried.Deliveries[1].Attempts = queue.Deferred, 1
	tried.Deliveries[2].State, tried.Deliveries[2].HoldReason = queue.Held, "policy"
	held := by(3, "c", "x")
	held.Deliveries[0].State, held.Deliveries[0].HoldReason = queue.Held, "policy"
	password := by(5, "e", "x")
	password.Submission.Credential = ID("CRE", 1)
	for _, m := range []*queue.Acceptance{by(1, "a \" 'path'", "x"), tried, held, by(4, "", "x"), password} {
		expect.Must(t, s.Accept(ctx, m))
	}
	cards := []queue.Came{{Submission: ID("SUB", 1), Path: "a \" 'path'", Deliveries: 1}, {Submission: ID("SUB", 2), Path: "b", Deliveries: 2}}
	if got := certified(t, s, account.Certificate); !slices.Equal(got, cards) {
		t.Errorf("under certificates %+v", got)
	}
	if got := certified(t, s, account.Certificate, account.Password); !slices.Equal(got, append(cards, queue.Came{Submission: ID("SUB", 5), Path: "e", Deliveries: 1})) {
		t.Errorf("under passwords too %+v", got)
	}
	if got := certified(t, s, account.Network); got != nil {
		t.Errorf("under networks %+v", got)
	}
	if got := certified(t, s); got != nil {
		t.Errorf("under nothing %+v", got)
	}
	stop := errors.New("enough")
	if err := s.Certified(ctx, []string{string(account.Certificate)}, func([]queue.Came) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("it ends with %v", err)
	}
}

func certifiedInPortions(t *testing.T, s Store) {
	by := withCard(t, s)
	const n = 1100
	for i := range n {
		path := "a"
		if i%3 == 0 {
			path = ""
		}
		expect.Must(t, s.Accept(t.Context(), by(i, path, "x")))
	}
	got := certified(t, s, account.Certificate)
	seen := map[mail.ID]bool{}
	for _, s := range got {
		seen[s.Submission] = true
	}
	if want := n * 2 / 3; len(got) != want || len(seen) != want {
		t.Errorf("%d are found, %d of them once, want %d", len(got), len(seen), want)
	}
}

func certifiedIsHeldOnce(t *testing.T, s Store) {
	ctx := expect.Within(t)
	by := withCard(t, s)
	tried := by(2, "b", "x", "y")
	tried.Deliveries[1].State, tried.Deliveries[1].Attempts = queue.Deferred, 1
	for _, m := range []*queue.Acceptance{by(1, "a", "x", "y"), tried, by(3, "c", "x")} {
		expect.Must(t, s.Accept(ctx, m))
	}
	e := audit.Event{At: Start(), Kind: audit.DeliveryHeld, Actor: "gate", Reason: queue.HoldCertificate, Text: "why"}
	hold := func(want int, list ...mail.ID) {
		t.Helper()
		if n := expect.Got(s.HoldCertified(ctx, list, e))(t); n != want {
			t.Errorf("%d are held, want %d", n, want)
		}
	}
	hold(0)
	hold(0, ID("SUB", 99))
	hold(4, ID("SUB", 1), ID("SUB", 2), ID("SUB", 99))
	WantStats(t, s, 1, 0, 4)
	for _, item := range everything(t, s) {
		if held := item.Delivery.HoldReason == queue.HoldCertificate; held != (item.Delivery.Submission != ID("SUB", 3)) {
			t.Errorf("%s is held for %q", name(item), item.Delivery.HoldReason)
		}
	}
	var recorded []audit.Event
	for _, each := range eventsOf(t, s, ID("SUB", 2)) {
		if each.Kind == audit.DeliveryHeld {
			recorded = append(recorded, each)
		}
	}
	if len(recorded) != 2 || recorded[1].Delivery != 2 || recorded[1].Login != "ann@one.example" || recorded[1].Data["to"] != "y@there.example" ||
		recorded[1].Reason != queue.HoldCertificate || recorded[1].Actor != "gate" || recorded[1].Text != "why" {
		t.Errorf("recorded %+v", recorded)
	}
	// What was released goes, whoever looks again.
	if n := expect.Got(s.Release(ctx, queue.Filter{Submission: ID("SUB", 1)}, Event("released")))(t); n != 2 {
		t.Errorf("%d are released", n)
	}
	if got := certified(t, s, account.Certificate); !slices.Equal(got, []queue.Came{{Submission: ID("SUB", 3), Path: "c", Deliveries: 1}}) {
		t.Errorf("then found %+v", got)
	}
	hold(1, ID("SUB", 1), ID("SUB", 2), ID("SUB", 3))
	WantStats(t, s, 2, 0, 3)
}

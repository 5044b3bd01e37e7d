package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/app/revoked"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/testkit"
)

// waits returns how what waits of a submission stands, and why it is held.
func (w *world) waits(id mail.ID) (queue.State, string) {
	w.t.Helper()
	items, err := w.app.Store().List(context.Background(), queue.Filter{Submission: id})
	if err != nil || len(items) != 1 {
		w.t.Fatalf("%d deliveries wait, %v", len(items), err)
	}
	return items[0].Delivery.State, items[0].Delivery.HoldReason
}

// TestWhatCameWithARevokedCertificateIsHeld: of what waits it is the mail that came with the
// very certificate that a list revokes, or below an authority that it revokes. What was released
// afterwards is not held again, by another gate neither.
func TestWhatCameWithARevokedCertificateIsHeld(t *testing.T) {
	w := newCardsTo(t, func(sink.Message) error { return errors.New("come again") })
	below := w.ours.Below("department")
	testkit.WriteCertificates(t, w.ca, w.ours, below)
	soon := w.clock.Now().Add(24 * time.Hour)
	lists := func(department []tls.Certificate, root ...tls.Certificate) {
		t.Helper()
		testkit.WriteCRLs(t, w.crl, w.ours.CRL(soon, nil, root...), below.CRL(soon, nil, department...))
		w.app.clients.Poll()
	}
	lists(nil)
	// One credential, which three certificates open.
	named := func(c *x509.Certificate) { c.EmailAddresses = []string{"printer@example.org"} }
	one, two, third := w.ours.Client("one", named), w.ours.Client("two", named), below.Client("three", named)
	w.credential(testLogin, account.Certificate, "email:printer@example.org")
	send := func(login string, certificates ...tls.Certificate) mail.ID {
		t.Helper()
		s, _ := w.dial("card", "", with(tls.VersionTLS13, certificates...))
		s.say(235, login)
		id := s.submit("x", func(int) {})
		w.until("a delivery to be deferred", func() bool { state, _ := w.waits(id); return state == queue.Deferred })
		return id
	}
	byOne, byTwo, byThird := send(external(""), one), send(external(""), two), send(external(""), third)
	byPassword := send("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testLogin+"\x00"+testPassword)), one)
	held := func(id mail.ID) bool {
		state, why := w.waits(id)
		return state == queue.Held && why == queue.HoldCertificate
	}
	others := func(when string, ids ...mail.ID) {
		t.Helper()
		for _, id := range ids {
			if state, why := w.waits(id); state == queue.Held {
				t.Errorf("%s %s is held: %s", when, id, why)
			}
		}
	}

	lists(nil, one)
	w.until("what came with the first to be held", func() bool { return held(byOne) })
	others("after the first,", byTwo, byThird, byPassword)
	e := w.last(audit.DeliveryHeld)
	if e.Submission != byOne || e.Reason != queue.HoldCertificate || e.Actor != "gate" || e.Login != testLogin || e.Data["to"] != "b@example.com" {
		t.Errorf("recorded %+v", e)
	}

	// What an administrator lets go, goes; another list holds what it is about.
	if n, err := w.app.Store().Release(t.Context(), queue.Filter{Submission: byOne}, audit.Event{Kind: audit.DeliveryReleased, Actor: "test"}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	lists(nil, one, tls.Certificate{Leaf: below.Certificate()})
	w.until("what came below the authority to be held", func() bool { return held(byThird) })
	others("after the authority,", byOne, byTwo, byPassword)

	// So does a gate that starts, which sees all that is revoked for the first time.
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan string, 100)
	go func() {
		defer close(done)
		revoked.New(revoked.Options{Store: w.app.store, Changed: changed, Now: w.app.opt.Now, Logger: w.app.log, Revokes: func(path string) bool {
			asked <- path
			return w.app.clients.Revokes(path)
		}}).Run(ctx)
	}()
	<-asked
	<-asked // in the order of the queue: the first is decided on by now
	lists(nil, one, two, tls.Certificate{Leaf: below.Certificate()})
	w.until("what came with the second to be held", func() bool { return held(byTwo) })
	stop()
	<-done
	others("after another gate has looked,", byOne, byPassword)
}

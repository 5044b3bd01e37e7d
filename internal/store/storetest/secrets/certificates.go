package secrets

import (
	"testing"

	"countersign/internal/fault"
)

// certificates checks what is kept for the certificate authority.
func certificates(t *testing.T, s Store) {
	ctx := within(t)
	_, err := s.GetCertificate(ctx, "account")
	wantKind(t, err, fault.NotFound)
	must(t, s.PutCertificate(ctx, "account", []byte("one")))
	must(t, s.PutCertificate(ctx, "account", []byte("two")))
	must(t, s.PutCertificate(ctx, "Account", []byte("another")))
	if n := got(s.CountCertificates(ctx))(t); n != 2 {
		t.Errorf("%d keys are counted, want 2", n)
	}
	if data := got(s.GetCertificate(ctx, "account"))(t); string(data) != "two" {
		t.Errorf("got %q, want what was put last", data)
	}
	must(t, s.DeleteCertificate(ctx, "account"))
	must(t, s.DeleteCertificate(ctx, "account"))
	_, err = s.GetCertificate(ctx, "account")
	wantKind(t, err, fault.NotFound)
	if data := got(s.GetCertificate(ctx, "Account"))(t); string(data) != "another" {
		t.Errorf("got %q: keys differ by case", data)
	}
	must(t, s.DeleteCertificate(ctx, "Account"))
	if n := got(s.CountCertificates(ctx))(t); n != 0 {
		t.Errorf("%d keys are counted after the last is gone", n)
	}
}

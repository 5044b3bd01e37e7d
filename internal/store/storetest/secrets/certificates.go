package secrets

import (
	"testing"

	"countersign/internal/fault"
	"countersign/internal/store/storetest/expect"
)

// certificates checks what is kept for the certificate authority.
func certificates(t *testing.T, s Store) {
	ctx := expect.Within(t)
	_, err := s.GetCertificate(ctx, "account")
	expect.Kind(t, err, fault.NotFound)
	expect.Must(t, s.PutCertificate(ctx, "account", []byte("one")))
	expect.Must(t, s.PutCertificate(ctx, "account", []byte("two")))
	expect.Must(t, s.PutCertificate(ctx, "Account", []byte("another")))
	if n := expect.Got(s.CountCertificates(ctx))(t); n != 2 {
		t.Errorf("%d keys are counted, want 2", n)
	}
	if data := expect.Got(s.GetCertificate(ctx, "account"))(t); string(data) != "two" {
		t.Errorf("got %q, want what was put last", data)
	}
	expect.Must(t, s.DeleteCertificate(ctx, "account"))
	expect.Must(t, s.DeleteCertificate(ctx, "account"))
	_, err = s.GetCertificate(ctx, "account")
	expect.Kind(t, err, fault.NotFound)
	if data := expect.Got(s.GetCertificate(ctx, "Account"))(t); string(data) != "another" {
		t.Errorf("got %q: keys differ by case", data)
	}
	expect.Must(t, s.DeleteCertificate(ctx, "Account"))
	if n := expect.Got(s.CountCertificates(ctx))(t); n != 0 {
		t.Errorf("%d keys are counted after the last is gone", n)
	}
}

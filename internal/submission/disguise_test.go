package submission

import (
	"strings"
	"testing"

	"countersign/internal/smtp"
)

// TestDisguisedNameIsRefused: where addresses in names are checked, one that a thin space or a
// look-alike dot disguises is refused as the plain one is.
func TestDisguisedNameIsRefused(t *testing.T) {
	f := newFixture(t)
	f.setPolicy(func(p *Policy) { p.CheckNames = true })
	s := f.login()
	for _, name := range []string{"=?utf-8?q?ceo=40bank=2Eexample?=", "=?utf-8?q?ceo=E2=80=8A=40bank=2Eexample?=", "=?utf-8?q?ceo=40bank=EA=93=B8example?="} {
		_, err := f.submit(s, testLogin, strings.NewReader("From: "+name+" <"+testLogin+">\r\n\r\nHello\r\n"), "b@example.com")
		wantReason(t, err, smtp.EHeaderSenderNotOwned)
	}
}

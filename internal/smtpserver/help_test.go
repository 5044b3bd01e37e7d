package smtpserver

import (
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/smtp"
)

// longestPage is as long as a page's URL may be.
var longestPage = "https://" + strings.Repeat("x", 198) + ".example/help-pages/page"

// TestRefusalEndsInALink: where there is a page, the reply ends in its URL with the
// session's id, on one line; where there is none, in the id.
func TestRefusalEndsInALink(t *testing.T) {
	const id = "01M8DH7Q7KFV8ZMPC5XW7Q3SG5"
	c := &session{srv: &Server{}, peer: Peer{ID: mail.ID(id)}}
	if got := c.named(smtp.Refusal(smtp.EAuthFailed, "")).Text; !strings.HasSuffix(got, ". ["+id+"]") {
		t.Errorf("without pages: %q", got)
	}
	c.srv.opt.HelpPage = func(r smtp.Reason) string {
		if r == smtp.ESyntax {
			return ""
		}
		return longestPage
	}
	if got := c.named(smtp.Refusal(smtp.ESyntax, "")).Text; !strings.HasSuffix(got, ". ["+id+"]") {
		t.Errorf("without a page: %q", got)
	}
	if len(longestPage) != 230 {
		t.Fatalf("the longest URL has %d octets", len(longestPage))
	}
	link := " " + longestPage + "?id=" + id
	for _, detail := range []string{"", "x", strings.Repeat("word ", 40), strings.Repeat("x", 5000), strings.Repeat("d", 190) + " " + strings.Repeat("ü", 300)} {
		for _, reason := range []smtp.Reason{smtp.ELimitReached, smtp.EUnaligned, smtp.EBanned, smtp.EFilterRefused} {
			wire := string(c.named(smtp.Refusal(reason, detail)).AppendTo(nil))
			if !strings.HasSuffix(wire, link+"\r\n") {
				t.Errorf("%s: the link is broken, or not at the end:\n%s", reason, wire)
			}
			for line := range strings.Lines(wire) {
				if len(line) > 512 { // RFC 5321 section 4.5.3.1.5
					t.Errorf("%s: a line of %d octets", reason, len(line))
				}
			}
		}
	}
}

// TestBannedClientGetsALink: before the greeting too.
func TestBannedClientGetsALink(t *testing.T) {
	t.Parallel()
	d := &double{admit: func(Peer) error { return fault.Refuse("test", fault.Denied, string(smtp.EBanned)) }}
	r := &rig{t: t, d: d, srv: newServer(t, d, testLimits()), config: ListenerConfig{Name: "test", Kind: Submission, TLS: testTLS}}
	r.srv.opt.HelpPage = func(reason smtp.Reason) string { return "https://mail.test/help/" + string(reason) }
	r.addr = r.listen(r.srv, r.config)
	c := r.dial()
	line := strings.TrimSpace(c.reply())
	if !strings.HasPrefix(line, "554 5.7.1 ") || !strings.Contains(line, ". https://mail.test/help/banned?id=") {
		t.Errorf("%q", line)
	}
	c.wantEOF()
	if id := line[len(line)-26:]; !mail.ValidID(id) || !strings.HasSuffix(line, "?id="+id) {
		t.Errorf("no id at the end of %q", line)
	}
}

package submission

import (
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/mail"
	"countersign/internal/smtp"
)

// TestSpoofing tries what is known to make one program see the account's address and the next
// one another's: several fields, spaces, folds and controls, encoded words, comments, quotes,
// routes, groups, look-alikes. Each is refused, in every mode of senders, unless it leaves with
// the account's address alone.
func TestSpoofing(t *testing.T) {
	const own, none = smtp.EHeaderSenderNotOwned, smtp.EHeaderFromMissing
	const bad, twice, control = smtp.EHeaderMalformed, smtp.EHeaderFromMultiple, smtp.EHeaderControl
	const me = "shop@example.org"
	gates := map[account.SenderMode]*fixture{}
	for _, mode := range []account.SenderMode{account.Enforce, account.Rewrite} {
		gates[mode] = newFixture(t)
		gates[mode].setPolicy(func(p *Policy) { p.Sign = false })
		gates[mode].mode(mode)
	}
	for name, c := range map[string]struct {
		head string
		want smtp.Reason
	}{
		// Several fields, and fields that some take for From.
		"another From behind":              {"From: " + me + "\r\nFrom: ceo@victim.example\r\n", twice},
		"another From before":              {"From: ceo@victim.example\r\nFrom: " + me + "\r\n", twice},
		"another From in another case":     {"From: " + me + "\r\nFROM: ceo@victim.example\r\n", twice},
		"a space before the colon":         {"From : ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"a space before the colon, behind": {"From: " + me + "\r\nFrom : ceo@victim.example\r\n", bad},
		"a tab before the colon":           {"From: " + me + "\r\nFrom\t: ceo@victim.example\r\n", bad},
		"a space before the name":          {" From: ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"a fold within the name":           {"From: " + me + "\r\nFr\r\n om: ceo@victim.example\r\n", bad},
		"a fold before the colon":          {"From\r\n : ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"no name":                          {"From: " + me + "\r\n: ceo@victim.example\r\n", bad},
		"a NUL in the name":                {"From: " + me + "\r\nFrom\x00: ceo@victim.example\r\n", bad},
		"a control in the name":            {"From: " + me + "\r\nFrom\x08: ceo@victim.example\r\n", control},
		"a byte order mark":                {"\xef\xbb\xbfFrom: ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"a byte order mark alone":          {"\xef\xbb\xbfFrom: " + me + "\r\n", bad},
		"8-bit in the name":                {"From: " + me + "\r\nFrom\xa0: ceo@victim.example\r\n", bad},
		"a blank line that is none":        {"X: y\r\n \r\nFrom: ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"a bare LF":                        {"X: y\nFrom: ceo@victim.example\r\nFrom: " + me + "\r\n", bad},
		"a bare CR":                        {"From: " + me + "\rFrom: ceo@victim.example\r\n", bad},
		"missing":                          {"To: x@y.example\r\n", none},
		"empty":                            {"From:\r\n", bad},
		"a NUL in the address":             {"From: " + me + "\x00@victim.example\r\n", bad},
		"two senders":                      {"From: " + me + "\r\nSender: " + me + "\r\nSender: ceo@victim.example\r\n", smtp.EHeaderRepeated},
		"a foreign sender":                 {"From: " + me + "\r\nSender: ceo@victim.example\r\n", own},
		"resent before":                    {"Resent-From: ceo@victim.example\r\nFrom: " + me + "\r\n", own},
		"resent twice":                     {"Resent-From: " + me + "\r\nResent-From: ceo@victim.example\r\nFrom: " + me + "\r\n", own},
		"resent sender":                    {"Resent-Sender: ceo@victim.example\r\nFrom: " + me + "\r\n", own},

		// Several mailboxes.
		"several without names":        {"From: " + me + ",ceo@victim.example\r\nSender: " + me + "\r\n", own},
		"several, the other way round": {"From: ceo@victim.example," + me + "\r\nSender: " + me + "\r\n", own},
		"several without sender":       {"From: " + me + ", ceo@victim.example\r\n", bad},
		"an empty element":             {"From: ,ceo@victim.example\r\n", bad},
		"a semicolon between":          {"From: " + me + ";ceo@victim.example\r\n", bad},
		"a space between":              {"From: " + me + " ceo@victim.example\r\n", bad},
		"angles twice":                 {"From: <" + me + "><ceo@victim.example>\r\n", bad},
		"angles in angles":             {"From: <<" + me + ">ceo@victim.example>\r\n", bad},
		"text behind":                  {"From: <" + me + "> <ceo@victim.example>\r\n", bad},
		"an address as the name":       {"From: ceo@victim.example <" + me + ">\r\n", bad},
		"open angle":                   {"From: <" + me + "\r\n", bad},
		"a group":                      {"From: g:ceo@victim.example;\r\n", bad},
		"an empty group":               {"From: g:;\r\n", bad},
		"an empty group and an address": {
			"From: undisclosed:;, " + me + "\r\nSender: " + me + "\r\n", bad},

		// Routes, quotes, comments.
		"a route":                      {"From: <@" + "example.org,@b.example:ceo@victim.example>\r\n", bad},
		"a route in front of own":      {"From: <@victim.example:" + me + ">\r\n", bad},
		"a percent route":              {"From: shop%victim.example@example.org\r\n", own},
		"a bang path":                  {"From: victim.example!shop@example.org\r\n", own},
		"a quoted local part":          {"From: \"shop@example.org\"@victim.example\r\n", own},
		"a quoted local part, own":     {"From: \"ceo@victim.example\"@example.org\r\n", own},
		"a quote that does not end":    {"From: \"shop@example.org <ceo@victim.example>\r\n", bad},
		"an escaped quote":             {"From: \"x\\\" <shop@example.org>\" <ceo@victim.example>\r\n", own},
		"a comment in the local part":  {"From: ceo(shop@example.org)@victim.example\r\n", bad},
		"a comment in the domain":      {"From: ceo@(example.org)victim.example\r\n", bad},
		"a comment behind":             {"From: ceo@victim.example(<shop@example.org>)\r\n", own},
		"a comment before":             {"From: (<shop@example.org>) ceo@victim.example\r\n", own},
		"a comment that does not end":  {"From: (<shop@example.org> ceo@victim.example\r\n", bad},
		"nested comments":              {"From: (a(b) <shop@example.org>) <ceo@victim.example>\r\n", own},
		"a backslash before the angle": {"From: \\<shop@example.org\\> <ceo@victim.example>\r\n", bad},
		"a space in the address":       {"From: ceo @victim.example\r\n", bad},
		"a fold in the address":        {"From: ceo@\r\n victim.example\r\n", bad},
		"a tab in the address":         {"From: <ceo@\tvictim.example>\r\n", bad},
		"two at signs":                 {"From: shop@example.org@victim.example\r\n", bad},
		"two at signs in angles":       {"From: <ceo@victim.example@example.org>\r\n", bad},
		"a NUL between":                {"From: shop@example.org\x00, ceo@victim.example\r\n", bad},

		// Encoded words where no address may be one.
		"an encoded address":         {"From: =?utf-8?B?Y2VvQHZpY3RpbS5leGFtcGxl?=\r\n", bad},
		"an encoded local part":      {"From: =?utf-8?Q?ceo?=@victim.example\r\n", bad},
		"an encoded domain":          {"From: ceo@=?utf-8?Q?victim.example?=\r\n", bad},
		"an encoded mailbox":         {"From: <=?utf-8?Q?ceo=40victim.example?=>\r\n", bad},
		"an encoded angle and a NUL": {"From: =?utf-8?Q?=3Cceo=40victim.example=3E=00?= <" + me + ">\r\n", smtp.EHeaderName},
		"an encoded line end":        {"From: =?utf-8?Q?ceo=40victim.example=0D=0A?= <" + me + ">\r\n", smtp.EHeaderName},
		"turned writing":             {"From: =?utf-8?Q?=E2=80=AEelpmaxe.mitciv=40oec?= <" + me + ">\r\n", smtp.EHeaderName},
		"encoded twice":              {"From: =?utf-8?B?PT91dGYtOD9RP2Nlbz00MHZpY3RpbS5leGFtcGxlPTAwPz0=?= <" + me + ">\r\n", smtp.EHeaderName},

		// Domains that look alike, and their forms.
		"a trailing dot":             {"From: shop@example.org.\r\n", bad},
		"two dots":                   {"From: shop@example..org\r\n", bad},
		"a U-label look-alike":       {"From: shop@ex\u0430mple.org\r\n", smtp.EHeader8Bit}, // Cyrillic
		"its A-label":                {"From: shop@xn--exmple-4nf.org\r\n", own},
		"an A-label that is broken":  {"From: shop@xn--a.org\r\n", bad},
		"full-width letters":         {"From: shop@\uff45xample.org\r\n", smtp.EHeader8Bit},
		"an ideographic stop":        {"From: shop@example\u3002org\r\n", smtp.EHeader8Bit},
		"a soft hyphen":              {"From: shop@exam\u00adple.org\r\n", smtp.EHeader8Bit},
		"a joiner":                   {"From: shop@exam\u200dple.org\r\n", smtp.EHeader8Bit},
		"8-bit in the local part":    {"From: sh\xf6p@example.org\r\n", smtp.EHeader8Bit},
		"a Kelvin sign":              {"From: \u212ahop@example.org\r\n", smtp.EHeader8Bit},
		"an underscore":              {"From: shop@example_x.org\r\n", bad},
		"a literal":                  {"From: shop@[192.0.2.1]\r\n", own},
		"a longer domain":            {"From: shop@example.org.victim.example\r\n", own},
		"a shorter domain":           {"From: shop@org\r\n", own},
		"a dot in front":             {"From: .shop@example.org\r\n", bad},
		"plus detail is another":     {"From: shop+ceo@example.org\r\n", own},
		"a long s, which folds to s": {"From: \u017fhop@example.org\r\n", smtp.EHeader8Bit},

		// What looks odd and is the account's own.
		"own in another case": {"From: SHOP@Example.ORG\r\n", ""},
		"own in quotes":       {"From: \"shop\"@example.org\r\n", ""},
		"own, folded":         {"From:\r\n Shop\r\n\t<shop@example.org>\r\n", ""},
		"own with a comment":  {"From: shop@example.org (Shop (the one))\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for mode, f := range gates {
				f.t = t
				f.spoof(mode, c.head, c.want)
			}
		})
	}
}

// spoof submits a header in a mode, which rewriting makes the account's where it can be read.
func (f *fixture) spoof(mode account.SenderMode, head string, want smtp.Reason) {
	t := f.t
	t.Helper()
	id, err := f.submit(f.login(), testLogin, strings.NewReader(head+"Subject: Hi\r\n\r\nHello\r\n"), "b@example.com")
	if want != "" && !(mode == account.Rewrite && want == smtp.EHeaderSenderNotOwned) {
		if err == nil {
			t.Errorf("%s: accepted", mode)
			return
		}
		wantReason(t, err, want)
		return
	}
	f.must(err)
	stored, _ := f.stored(id)
	for line := range strings.SplitSeq(stored, "\r\n") {
		name, body, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "from", "sender", "resent-from", "resent-sender":
			if strings.Contains(body, "victim") {
				t.Errorf("%s: it leaves with %q", mode, line)
			}
		}
	}
}

// With SMTPUTF8, addresses beyond ASCII are told apart by what they are, and their domains by
// their one normal form.
func TestSpoofingBeyondASCII(t *testing.T) {
	f := newFixture(t)
	f.setPolicy(func(p *Policy) { p.Sign = false })
	keys, err := f.store.SigningKeys(t.Context(), "example.org")
	f.must(err)
	f.must(f.admin.AddDomain(t.Context(), "xn--bcher-kva.example", "acme", keys))
	f.set(admin.AccountChange{AddGrants: []account.Granted{f.granted(account.SendAs, "j\u00f6e@xn--bcher-kva.example")}})
	for author, want := range map[string]smtp.Reason{
		"j\u00f6e@b\u00fccher.example": "", "j\u00f6e@xn--bcher-kva.example": "", "J\u00f6e@B\u00dcCHER.example": "",
		"jo\u0308e@b\u00fccher.example": smtp.EHeaderSenderNotOwned, // decomposed: another local part
		"j\u00f6e@bu\u0308cher.example": smtp.EHeaderMalformed,      // decomposed: not the usual writing of a domain
		"j\u00d6e@b\u00fccher.example":  smtp.EHeaderSenderNotOwned, // no letter beyond ASCII is folded
		"sh\u043ep@example.org":         smtp.EHeaderSenderNotOwned, // Cyrillic
		"shop@ex\u0430mple.org":         smtp.EHeaderSenderNotOwned,
		"shop@\uff45xample.org":         smtp.EHeaderMalformed,
		"shop@exam\u00adple.org":        smtp.EHeaderMalformed,
		"shop@example\u3002org":         smtp.EHeaderMalformed,
		"sh\u200bop@example.org":        smtp.EHeaderMalformed,
		"\u212ahop@example.org":         smtp.EHeaderSenderNotOwned,
	} {
		env := mail.Envelope{From: address(t, testLogin), Body: mail.Body8Bit, SMTPUTF8: true}
		s := f.login()
		f.must(s.Mail(t.Context(), env))
		f.must(s.Rcpt(t.Context(), mail.Recipient{To: address(t, "b@example.com")}))
		_, err := s.Data(t.Context(), strings.NewReader("From: "+author+"\r\n\r\nHello\r\n"))
		if want == "" && err == nil {
			continue
		}
		if err == nil {
			t.Errorf("%s is accepted", author)
			continue
		}
		if got := smtp.ReplyFor(err).Reason; got != want {
			t.Errorf("%s: %s (%v), want %q", author, got, err, want)
		}
	}
}

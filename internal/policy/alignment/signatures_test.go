package alignment

import (
	"slices"
	"strings"
	"testing"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/domainkey"
	"countersign/internal/testkit"
)

// TestSignaturesOfOthers: a signature counts where its domain is aligned with From, however well
// its key is published, and what mends nothing is not proposed.
func TestSignaturesOfOthers(t *testing.T) {
	key := keyOf(t, "example.org", "a")
	published := text(key.Name(), key.Record)
	for title, tt := range map[string]struct {
		from, mailFrom mail.Domain
		keys           []domainkey.Key // without any, the one of example.org
		zone           []string
		broken         string
		dkim, verdict  Verdict
		says           string
		publish        []string
	}{
		"a stranger's From": {
			from: "foreign.example", mailFrom: "foreign.example",
			zone: []string{published, text("_dmarc.foreign.example", "v=DMARC1; p=reject"), text("foreign.example", "v=spf1 -all")},
			dkim: WillFail, verdict: WillFail,
			says: "DKIM: example.org signs, which is not aligned with foreign.example: use an address of example.org in From; SPF: foreign.example: the SPF record does not allow 192.0.2.1",
		},
		"a stranger's From, and the key is not published": {
			from: "foreign.example", mailFrom: "example.org",
			zone: []string{text("_dmarc.foreign.example", "v=DMARC1; p=reject")},
			dkim: WillFail, verdict: WillFail, says: "DKIM: example.org signs, which is not aligned",
		},
		"a stranger's From that SPF lets pass": {
			from: "foreign.example", mailFrom: "foreign.example",
			zone: []string{published, text("foreign.example", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all")},
			dkim: WillFail, verdict: Pass,
		},
		"a sibling under a public suffix": {
			from: "foreign.co.example", mailFrom: "foreign.co.example", keys: []domainkey.Key{keyOf(t, "ours.co.example", "a")},
			zone: []string{text("_dmarc.co.example", "v=DMARC1; p=none; psd=y"), text("_dmarc.foreign.co.example", "v=DMARC1; p=reject")},
			dkim: WillFail, verdict: WillFail, says: "DKIM: ours.co.example signs, which is not aligned",
		},
		"a subdomain": {
			from: "shop.example.org", mailFrom: "elsewhere.example", zone: []string{published, text("_dmarc.example.org", "v=DMARC1; p=reject; adkim=r; aspf=s")},
			dkim: Pass, verdict: Pass,
		},
		"a subdomain, strictly": {
			from: "shop.example.org", mailFrom: "elsewhere.example", zone: []string{published, text("_dmarc.example.org", "v=DMARC1; p=reject; adkim=s")},
			dkim: WillFail, verdict: WillFail, says: "DKIM: example.org signs, which is not aligned with shop.example.org",
		},
		"a subdomain that is an organisation": {
			from: "shop.example.org", mailFrom: "elsewhere.example",
			zone: []string{published, text("_dmarc.example.org", "v=DMARC1; p=reject"), text("_dmarc.shop.example.org", "v=DMARC1; p=reject; psd=n")},
			dkim: WillFail, verdict: WillFail, says: "DKIM: example.org signs, which is not aligned with shop.example.org",
		},
		"the parent of what signs": {
			from: "org.example", mailFrom: "elsewhere.example", keys: []domainkey.Key{key, keyOf(t, "shop.org.example", "a")},
			zone: []string{published, text("_dmarc.org.example", "v=DMARC1; p=reject")},
			dkim: WillFail, verdict: WillFail, publish: []string{"a._domainkey.shop.org.example"},
			says: "DKIM: example.org signs, which is not aligned with org.example",
		},
		"nobody says whether it is aligned": {
			from: "shop.example.org", mailFrom: "elsewhere.example", zone: []string{published}, broken: "_dmarc.example.org.",
			dkim: Unknown, verdict: Unknown, says: "DKIM: DNS does not answer whether example.org, which signs, is aligned with shop.example.org",
		},
	} {
		j, d := judge(t, ours, append(tt.zone, "_dmarc.org. 60 IN A 192.0.2.1")...)
		if tt.broken != "" {
			d.Break(tt.broken, testkit.ServFail)
		}
		if tt.keys == nil {
			tt.keys = []domainkey.Key{key}
		}
		a := j.Assess(t.Context(), Question{From: tt.from, MailFrom: tt.mailFrom, Keys: tt.keys})
		var publish []string
		for _, r := range a.Publish {
			publish = append(publish, r.Name)
		}
		if a.DKIM.State != tt.dkim || a.Verdict != tt.verdict || !strings.HasPrefix(a.Reason(), tt.says) || !slices.Equal(publish, tt.publish) {
			t.Errorf("%s: %s, DKIM %s, %q, publish %q; want %s, %s, %q, %q", title, a.Verdict, a.DKIM.State, a.Reason(), publish, tt.verdict, tt.dkim, tt.says, tt.publish)
		}
	}
}

// TestRSADecides: that an Ed25519 key is published is no pass, as large receivers do not verify it.
func TestRSADecides(t *testing.T) {
	old, modern := keyOf(t, "example.org", "old"), keyFor(t, "example.org", "new", dkim.Ed25519)
	const reject = "v=DMARC1; p=reject"
	for title, tt := range map[string]struct {
		keys    []domainkey.Key
		zone    []string
		broken  string
		state   Verdict
		says    string
		publish []string
	}{
		"Ed25519 alone is published": {
			keys: []domainkey.Key{modern, old}, zone: []string{text(modern.Name(), modern.Record)}, state: WillFail, publish: []string{old.Name()},
			says: "DKIM: nothing is published at old._domainkey.example.org, and at new._domainkey.example.org is an Ed25519 key, which many receivers do not verify",
		},
		"RSA alone is published": {
			keys: []domainkey.Key{modern, old}, zone: []string{text(old.Name(), old.Record)}, state: Pass, publish: []string{modern.Name()},
		},
		"both": {
			keys: []domainkey.Key{modern, old}, zone: []string{text(old.Name(), old.Record), text(modern.Name(), modern.Record)}, state: Pass,
		},
		"Ed25519, and DNS does not answer for RSA": {
			keys: []domainkey.Key{modern, old}, zone: []string{text(modern.Name(), modern.Record)}, broken: old.Name() + ".", state: Unknown,
			says: "DKIM: DNS does not answer for old._domainkey.example.org, and at new._domainkey.example.org is",
		},
		"no RSA, and DNS does not answer for Ed25519": {
			keys: []domainkey.Key{modern, old}, broken: modern.Name() + ".", state: WillFail, publish: []string{old.Name()},
			says: "DKIM: nothing is published at old._domainkey.example.org",
		},
		"there is no other key": {
			keys: []domainkey.Key{modern}, zone: []string{text(modern.Name(), modern.Record)}, state: Unknown,
			says: "DKIM: all there is at new._domainkey.example.org is an Ed25519 key, which many receivers do not verify: give the domain new keys",
		},
		"there is no other key, and it is not published": {
			keys: []domainkey.Key{modern}, state: WillFail, publish: []string{modern.Name()}, says: "DKIM: nothing is published at new._domainkey.example.org",
		},
	} {
		j, d := judge(t, ours, append(tt.zone, text("_dmarc.example.org", reject))...)
		if tt.broken != "" {
			d.Break(tt.broken, testkit.ServFail)
		}
		a := j.Assess(t.Context(), Question{From: "example.org", MailFrom: "elsewhere.example", Keys: tt.keys})
		var publish []string
		for _, r := range a.Publish {
			publish = append(publish, r.Name)
		}
		if a.DKIM.State != tt.state || a.Verdict != tt.state || !strings.HasPrefix(a.Reason(), tt.says) || !slices.Equal(publish, tt.publish) {
			t.Errorf("%s: %s, %q, publish %q; want %s, %q, %q", title, a.DKIM.State, a.Reason(), publish, tt.state, tt.says, tt.publish)
		}
	}
}

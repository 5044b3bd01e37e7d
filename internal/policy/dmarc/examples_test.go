package dmarc

import (
	"context"
	"slices"
	"strings"
	"testing"

	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
)

// noted is a zone that notes for which domains a DMARC record was asked.
type noted struct {
	zone
	asked []string
}

func (n *noted) Ask(ctx context.Context, name string, t mx.Type) (mx.Answer, error) {
	if domain, ok := strings.CutPrefix(name, "_dmarc."); ok && t == mx.TXT {
		n.asked = append(n.asked, domain)
	}
	return n.zone.Ask(ctx, name, t)
}

// records makes a zone of domains that have a DMARC record each; what stands behind a blank are more
// of its tags.
func records(domains ...string) zone {
	z := zone{}
	for _, d := range domains {
		domain, tags, _ := strings.Cut(d, " ")
		z["_dmarc."+domain] = []string{"v=DMARC1; p=reject; " + tags}
	}
	return z
}

// TestExamplesOfOrganizations has those that RFC 9989 gives of walks and of the organisations that they
// find, by the sections that they stand in.
func TestExamplesOfOrganizations(t *testing.T) {
	bank := []string{"bank.example psd=y", "giant.bank.example"}
	signing := []string{"example.com", "signing.example.com"}
	for _, tt := range []struct {
		section string
		records []string
		start   mail.Domain
		want    mail.Domain
		asked   string
	}{
		{"4.10", nil, "a.b.c.d.e.f.g.h.i.j.mail.example.com", "a.b.c.d.e.f.g.h.i.j.mail.example.com",
			"a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com example.com com"},
		{"4.10.2, first", []string{"mail.example.com", "example.com"}, "a.mail.example.com", "example.com", "a.mail.example.com mail.example.com example.com com"},
		{"4.10.2, second", []string{"mail.example.com psd=n", "example.com"}, "a.mail.example.com", "mail.example.com", "a.mail.example.com mail.example.com"},
		{"4.10.2, third", []string{"com psd=y"}, "a.mail.example.com", "example.com", "a.mail.example.com mail.example.com example.com com"},
		{"4.10.2, rule 2", []string{"example.com psd=y"}, "mail.example.com", "mail.example.com", "mail.example.com example.com"},
		{"4.10.2, rule 2, where the walk starts", []string{"example.com psd=y", "com"}, "example.com", "example.com", "example.com"},
		{"5.1.8", []string{"example.com", "b.c.d.e.f.g.example.com psd=n"}, "mail.a.b.c.d.e.f.g.example.com", "example.com",
			"mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com g.example.com example.com com"},
		{"B.4.1", signing, "example.com", "example.com", "example.com com"},
		{"B.4.1", signing, "signing.example.com", "example.com", "signing.example.com example.com com"},
		{"B.4.2", signing, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com",
			"a.b.c.d.e.f.g.h.i.j.k.example.com g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com j.k.example.com k.example.com example.com com"},
		{"B.4.3", bank, "giant.bank.example", "giant.bank.example", "giant.bank.example bank.example"},
		{"B.4.3", bank, "mail.giant.bank.example", "giant.bank.example", "mail.giant.bank.example giant.bank.example bank.example"},
		{"B.4.3", bank, "mail.mega.bank.example", "mega.bank.example", "mail.mega.bank.example mega.bank.example bank.example"},
	} {
		n := &noted{zone: records(tt.records...)}
		got, err := Organization(t.Context(), inquiry.New(n), tt.start)
		if err != nil || got != tt.want || strings.Join(n.asked, " ") != tt.asked {
			t.Errorf("%s: the organisation of %s is %s, %v, want %s;\nasked %v\nwant  %s", tt.section, tt.start, got, err, tt.want, n.asked, tt.asked)
		}
	}
}

// TestExamplesOfAlignment has those that it gives of domains that are aligned, and of those that are not.
func TestExamplesOfAlignment(t *testing.T) {
	bank := []string{"bank.example psd=y", "giant.bank.example"}
	signing := []string{"example.com", "signing.example.com"}
	for _, tt := range []struct {
		section       string
		records       []string
		author, other mail.Domain
		relaxed       bool
	}{
		{"4.4, table 1", []string{"example.com", "example.net"}, "news.example.com", "foo.example.com", true},
		{"4.4, table 1", []string{"example.com", "example.net"}, "news.example.com", "news.example.com", true},
		{"4.4, table 1", []string{"example.com", "example.net"}, "news.example.com", "foo.example.net", false},
		{"B.4.1", signing, "example.com", "signing.example.com", true},
		{"B.4.2", signing, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com", true},
		{"B.4.2", signing, "a.b.c.d.e.f.g.h.i.j.k.example.com", "signing.example.com", true},
		{"B.4.3", bank, "giant.bank.example", "mail.giant.bank.example", true},
		{"B.4.3", bank, "giant.bank.example", "mail.mega.bank.example", false},
	} {
		for _, strict := range []bool{false, true} {
			want := tt.relaxed && (!strict || tt.author == tt.other)
			got, err := Aligned(t.Context(), inquiry.New(records(tt.records...)), tt.author, tt.other, strict)
			if err != nil || got != want {
				t.Errorf("%s: %s with %s (strict %v): %v, %v; want %v", tt.section, tt.author, tt.other, strict, got, err, want)
			}
		}
	}
}

// TestWhoseRecordApplies: that of the domain, else of its organisation, else of the suffix above (RFC
// 9989 section 4.10.1); one between them does not, whatever it says.
func TestWhoseRecordApplies(t *testing.T) {
	for _, tt := range []struct {
		records []string
		author  mail.Domain
		at      mail.Domain
	}{
		{[]string{"example.com", "mail.example.com"}, "a.mail.example.com", "example.com"},
		{[]string{"example.com", "mail.example.com"}, "mail.example.com", "mail.example.com"},
		{[]string{"bank.example psd=y", "dept.giant.bank.example"}, "a.dept.giant.bank.example", "bank.example"},
		{[]string{"bank.example psd=y", "giant.bank.example"}, "a.giant.bank.example", "giant.bank.example"},
		{[]string{"example.com", "b.c.d.e.f.g.example.com psd=n"}, "mail.a.b.c.d.e.f.g.example.com", "example.com"},
		{[]string{"example.com", "mail.a.b.c.d.e.f.g.example.com"}, "mail.a.b.c.d.e.f.g.example.com", "mail.a.b.c.d.e.f.g.example.com"},
		{[]string{"example.com psd=y"}, "example.com", "example.com"},
	} {
		n := &noted{zone: records(tt.records...)}
		d, err := Discover(t.Context(), inquiry.New(n), tt.author)
		if err != nil || d.Record == nil || d.Record.Domain != tt.at {
			t.Errorf("%v: %s has the record %+v, %v; want that of %s", tt.records, tt.author, d.Record, err, tt.at)
		}
		if len(n.asked) > maxNames || !slices.Equal(slices.Compact(slices.Clone(n.asked)), n.asked) {
			t.Errorf("%s: asked %v", tt.author, n.asked)
		}
	}
}

package dmarc

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
)

// zone is DNS in memory: the TXT records of names. A name with none exists, one that is
// away cannot be had now, and what is not in it does not exist.
type zone map[string][]string

const away = "away"

// dangling is what a name has that is an alias of one that does not exist: NXDOMAIN is the answer to
// all questions but for the alias itself.
const dangling = "dangling"

func (z zone) Ask(_ context.Context, name string, t mx.Type) (mx.Answer, error) {
	texts, ok := z[name]
	switch {
	case slices.Contains(texts, dangling) && t == mx.CNAME:
		return mx.Answer{Names: []string{"nothing.example.net"}, TTL: time.Minute}, nil
	case !ok, slices.Contains(texts, dangling):
		return mx.Answer{TTL: time.Minute}, fault.New("zone", fault.NotFound, "no %s", name)
	case slices.Contains(texts, away):
		return mx.Answer{}, fault.New("zone", fault.Unavailable, "no answer")
	case t != mx.TXT:
		return mx.Answer{TTL: time.Minute}, nil
	}
	return mx.Answer{Texts: texts, TTL: time.Minute}, nil
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text       string
		p, sp, np  Policy
		dkim, spf  bool
		psd        Suffix
		testing    bool
		faultTexts string
	}{
		{text: "v=DMARC1; p=none", p: None, sp: None, np: None},
		{text: "v=DMARC1;p=Reject;SP=quarantine;np=none;adkim=S;aspf=s;psd=n;t=Y;", p: Reject, sp: Quarantine, np: None, dkim: true, spf: true, psd: IsOrganization, testing: true},
		{text: "v = DMARC1 ; p = quarantine ; np=reject", p: Quarantine, sp: Quarantine, np: Reject},
		{text: "v=DMARC1; sp=reject; p=none", p: None, sp: Reject, np: Reject},
		{text: "v=DMARC1", p: None, sp: None, np: None, faultTexts: "it has no tag p, which older receivers want"},
		{text: "v=DMARC1; sp=reject; np=reject; rua=mailto:a@example.org", p: None, sp: None, np: None, faultTexts: "it has no tag p, which older receivers want"},
		{text: "v=DMARC1; sp=reject", p: None, sp: None, np: None, faultTexts: "it has no tag p, which older receivers want"},
		{text: "v=DMARC1; sp=block", faultTexts: `sp="block" is no policy|it has no tag p, which older receivers want`},
		{text: "v=DMARC1; p=block", faultTexts: `p="block" is no policy`},
		{text: "v=DMARC1; p=block; rua=mailto:a@example.org", p: None, sp: None, np: None, faultTexts: `p="block" is no policy`},
		{text: "v=DMARC1; p=block; rua=nowhere", faultTexts: `p="block" is no policy`},
		{text: "v=DMARC1; p=reject; sp=x", faultTexts: `sp="x" is no policy`},
		{text: "v=DMARC1; p=reject; np=", faultTexts: `np="" is no policy`},
		{text: "v=DMARC1; p=reject; p=none", p: Reject, sp: Reject, np: Reject, faultTexts: "the tag p stands there twice"},
		{text: "v=DMARC1; p=reject; what; =x; adkim=q; psd=no; t=1", p: Reject, sp: Reject, np: Reject,
			faultTexts: `"what" is no tag|"=x" is no tag|adkim="q" has no meaning|psd="no" has no meaning|t="1" has no meaning`},
		{text: "v=DMARC1; p=reject; pct=0; ri=x; fo=1:d; new=x", p: Reject, sp: Reject, np: Reject},
		{text: "v=DMARC1; p=none" + strings.Repeat("; x", 50), p: None, sp: None, np: None, faultTexts: strings.Repeat(`"x" is no tag|`, maxFaults-1) + `"x" is no tag`},
	} {
		if !isRecord(tt.text) {
			t.Errorf("%q is no record", tt.text)
		}
		r := parse("example.org", tt.text)
		if tt.psd == "" {
			tt.psd = Unsaid
		}
		if r.Policy != tt.p || r.Subdomains != tt.sp || r.Missing != tt.np || r.StrictDKIM != tt.dkim || r.StrictSPF != tt.spf ||
			r.Suffix != tt.psd || r.Testing != tt.testing || strings.Join(r.Faults, "|") != tt.faultTexts {
			t.Errorf("parse(%q) = %+v, want %+v", tt.text, r, tt)
		}
	}
	for _, text := range []string{"", "v=DMARC2; p=none", "v=dmarc1; p=none", "v=DMARC1 p=none", "p=none; v=DMARC1", "v=DMARC12", " v=DMARC1"} {
		if isRecord(text) {
			t.Errorf("%q is a record", text)
		}
	}
}

func TestNames(t *testing.T) {
	for start, want := range map[mail.Domain]string{
		"example.org":           "example.org org",
		"org":                   "org",
		"a.b.c.d.e.f.g.h":       "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h",
		"1.2.3.4.5.6.7.8.9.x.y": "1.2.3.4.5.6.7.8.9.x.y 5.6.7.8.9.x.y 6.7.8.9.x.y 7.8.9.x.y 8.9.x.y 9.x.y x.y y",
	} {
		var got []string
		for _, d := range names(start) {
			got = append(got, d.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("names(%s) = %v, want %s", start, got, want)
		}
	}
}

func TestDiscover(t *testing.T) {
	z := zone{
		"_dmarc.example.org":       {"v=DMARC1; p=reject; sp=quarantine; np=none"},
		"real.example.org":         {},
		"alias.example.org":        {dangling},
		"_dmarc.own.example.org":   {"v=DMARC1; p=none"},
		"_dmarc.test.example":      {"v=DMARC1; p=reject; sp=quarantine; t=y"},
		"_dmarc.twice.example":     {"v=DMARC1; p=reject", "v=DMARC1; p=none"},
		"_dmarc.other.example":     {"hello", "v=spf1 -all"},
		"_dmarc.mixed.example":     {"hello", "v=DMARC1; p=reject", "v=DMARC2"},
		"_dmarc.void.example":      {"v=DMARC1; p=no"},
		"_dmarc.away.example":      {away},
		"_dmarc.gov":               {"v=DMARC1; p=reject; np=quarantine; psd=y"},
		"agency.gov":               {},
		"_dmarc.middle.gov":        {"v=DMARC1; p=none; sp=none"},
		"deep.middle.gov":          {},
		"_dmarc.b.long.example":    {"v=DMARC1; p=quarantine"},
		"_dmarc.long.example":      {"v=DMARC1; p=reject"},
		"_dmarc.stop.long.example": {"v=DMARC1; p=none; psd=n"},
		"_dmarc.suffix.example":    {"v=DMARC1; p=quarantine; psd=y"},
		"unknown.unsure.example":   {away},
		"_dmarc.unsure.example":    {"v=DMARC1; p=reject; np=none"},
	}
	for domain, tt := range map[mail.Domain]struct {
		at     mail.Domain
		policy Policy
		kind   fault.Kind
	}{
		"example.org":            {at: "example.org", policy: Reject},
		"real.example.org":       {at: "example.org", policy: Quarantine}, // sp
		"alias.example.org":      {at: "example.org", policy: Quarantine}, // an alias exists, whatever it leads to
		"gone.example.org":       {at: "example.org", policy: None},       // np
		"own.example.org":        {at: "own.example.org", policy: None},
		"x.own.example.org":      {at: "example.org", policy: None}, // of the organisation; it does not exist
		"test.example":           {at: "test.example", policy: Quarantine},
		"sub.test.example":       {at: "test.example", policy: None},
		"twice.example":          {},
		"other.example":          {},
		"mixed.example":          {at: "mixed.example", policy: Reject},
		"void.example":           {at: "void.example", policy: Nothing},
		"nothing.example":        {},
		"away.example":           {kind: fault.Unavailable},
		"x.away.example":         {kind: fault.Unavailable},
		"agency.gov":             {at: "gov", policy: Reject},
		"nobody.gov":             {at: "gov", policy: Quarantine},
		"middle.gov":             {at: "middle.gov", policy: None},
		"deep.middle.gov":        {at: "middle.gov", policy: None},
		"a.b.long.example":       {at: "long.example", policy: Reject},
		"x.stop.long.example":    {at: "stop.long.example", policy: None},
		"suffix.example":         {at: "suffix.example", policy: Quarantine},
		"unknown.unsure.example": {kind: fault.Unavailable},
	} {
		q := inquiry.New(z)
		d, err := Discover(t.Context(), q, domain)
		if (err != nil) != (tt.kind != 0) || fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %v, want kind %v", domain, err, tt.kind)
			continue
		}
		at := mail.Domain("")
		if d.Record != nil {
			at = d.Record.Domain
		}
		if err == nil && (at != tt.at || d.Policy != tt.policy) {
			t.Errorf("%s: %s at %s, want %s at %s", domain, d.Policy, at, tt.policy, tt.at)
		}
		if several := len(d.Several) > 0; several != (domain == "twice.example") {
			t.Errorf("%s: several at %v", domain, d.Several)
		}
		if q.Asked() > maxNames+1 {
			t.Errorf("%s: %d questions", domain, q.Asked())
		}
	}
	q := inquiry.New(z)
	if _, err := Discover(t.Context(), q, "x.stop.long.example"); err != nil || q.Asked() != 2 {
		t.Errorf("a walk that a record ends asks %d questions, %v; want 2", q.Asked(), err)
	}
	q = inquiry.New(z)
	if _, err := Discover(t.Context(), q, "example.org"); err != nil || q.Asked() != 1 {
		t.Errorf("a domain's own record needs %d questions, %v; want 1", q.Asked(), err)
	}
}

func TestAligned(t *testing.T) {
	z := zone{
		"_dmarc.example.org":      {"v=DMARC1; p=reject"},
		"_dmarc.unit.example.org": {"v=DMARC1; p=reject; psd=n"},
		"_dmarc.gov":              {"v=DMARC1; p=reject; psd=y"},
		"_dmarc.away.example":     {away},
	}
	for _, tt := range []struct {
		author, other mail.Domain
		strict, want  bool
		kind          fault.Kind
	}{
		{author: "example.org", other: "example.org", strict: true, want: true},
		{author: "example.org", other: "example.org", want: true},
		{author: "none.example", other: "none.example", want: true},
		{author: "away.example", other: "away.example", want: true}, // needs no question
		{author: "example.org", other: "mail.example.org", strict: true},
		{author: "example.org", other: "mail.example.org", want: true},
		{author: "mail.example.org", other: "example.org", want: true},
		{author: "a.example.org", other: "b.example.org", want: true},
		{author: "example.org", other: "unit.example.org"}, // an organisation of its own
		{author: "unit.example.org", other: "example.org"},
		{author: "x.unit.example.org", other: "unit.example.org", want: true},
		{author: "example.org", other: "notexample.org"},
		{author: "example.org", other: "example.com"},
		{author: "example.org", other: "org"},
		{author: "a.gov", other: "b.gov"},
		{author: "a.gov", other: "x.a.gov", want: true},
		{author: "gov", other: "a.gov"},
		{author: "a.none.example", other: "b.none.example"}, // nothing says that they belong together
		{author: "example.org", other: ""},
		{author: "x.away.example", other: "y.away.example", kind: fault.Unavailable},
	} {
		got, err := Aligned(t.Context(), inquiry.New(z), tt.author, tt.other, tt.strict)
		if got != tt.want || (err != nil) != (tt.kind != 0) || fault.KindOf(err) != tt.kind {
			t.Errorf("%s with %s (strict %v): %v, %v; want %v", tt.author, tt.other, tt.strict, got, err, tt.want)
		}
	}
}

func FuzzDiscover(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; psd=y; t=y; adkim=s; aspf=r; rua=mailto:a@example.org!10m", "a.b.example.org")
	f.Add("v=DMARC1;;;=;p", "example")
	f.Fuzz(func(t *testing.T, text, name string) {
		domain, err := mail.ParseDomain(name)
		if err != nil {
			return
		}
		for _, at := range []string{"_dmarc." + domain.String(), "_dmarc.example.org"} {
			q := inquiry.New(zone{at: {text}})
			d, err := Discover(t.Context(), q, domain)
			if err != nil || q.Asked() > maxNames+1 || d.Record != nil && len(d.Record.Faults) > maxFaults {
				t.Errorf("%q: %+v, %v", text, d, err)
			}
			org, err := Organization(t.Context(), q, domain)
			if err != nil || org == "" || org != domain && !strings.HasSuffix(domain.String(), "."+org.String()) {
				t.Errorf("%q: the organisation of %s is %q, %v", text, domain, org, err)
			}
		}
	})
}

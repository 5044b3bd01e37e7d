package domainkey

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/dkim"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
	"countersign/internal/testkit"
)

// made makes a key for example.org and says how it is published.
func made(t *testing.T, algorithm dkim.Algorithm, selector string) Key {
	t.Helper()
	k, err := dkim.Generate("example.org", selector, algorithm, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	record, err := k.Record()
	if err != nil {
		t.Fatal(err)
	}
	return Key{Domain: "example.org", Selector: selector, Record: record.Value}
}

// strings255 writes a text as the strings of a TXT record, each of at most n octets.
func strings255(text string, n int) string {
	var b strings.Builder
	for len(text) > 0 {
		end := min(n, len(text))
		b.WriteString(` "` + strings.NewReplacer(`"`, `\"`, ";", `\;`).Replace(text[:end]) + `"`)
		text = text[end:]
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	ours, other, edward := made(t, dkim.RSA, "r"), made(t, dkim.RSA, "r"), made(t, dkim.Ed25519, "e")
	_, p, _ := strings.Cut(ours.Record, "p=")
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	bare := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(pub.(*rsa.PublicKey)))
	_, edwardP, _ := strings.Cut(edward.Record, "p=")
	for name, tt := range map[string]struct {
		key     Key
		texts   []string
		want    State
		reason  string
		testing bool
	}{
		"as made":         {key: ours, texts: []string{ours.Record}, want: Published},
		"Ed25519":         {key: edward, texts: []string{edward.Record}, want: Published},
		"without version": {key: ours, texts: []string{"p=" + p}, want: Published},
		"PKCS 1":          {key: ours, texts: []string{"v=DKIM1; p=" + bare}, want: Published},
		"other order":     {key: ours, texts: []string{"v=DKIM1; p=" + p[:40] + " \t" + p[40:] + "; h=sha1:sha256; s=email; t=s; n=x;"}, want: Published},
		"testing":         {key: ours, texts: []string{"v=DKIM1; t=y:s; p=" + p}, want: Published, testing: true},
		"nothing":         {key: ours, want: Absent, reason: "nothing is published at r._domainkey.example.org"},
		"revoked":         {key: ours, texts: []string{"v=DKIM1; p="}, want: Revoked, reason: "says that the key is withdrawn"},
		"another":         {key: ours, texts: []string{other.Record}, want: Different, reason: "has another key"},
		"twice":           {key: ours, texts: []string{ours.Record, other.Record}, want: Several, reason: "there are 2 TXT records"},
		"kind":            {key: ours, texts: []string{edward.Record}, want: Unusable, reason: "is for a key of kind ed25519, not rsa"},
		"kind of Ed25519": {key: edward, texts: []string{ours.Record}, want: Unusable, reason: "is for a key of kind rsa, not ed25519"},
		"no kind":         {key: edward, texts: []string{"v=DKIM1; p=" + edwardP}, want: Unusable, reason: "has an RSA key that cannot be read"},
		"unknown kind":    {key: ours, texts: []string{"v=DKIM1; k=dsa; p=" + p}, want: Unusable, reason: `is for a key of an unknown kind "dsa"`},
		"cut off":         {key: ours, texts: []string{ours.Record[:255]}, want: Unusable, reason: "or is cut off"},
		"cut off evenly":  {key: ours, texts: []string{"p=" + p[:200]}, want: Unusable, reason: "or is cut off"},
		"short Ed25519":   {key: edward, texts: []string{"k=ed25519; p=AAAA"}, want: Unusable, reason: "has an Ed25519 key of 3 octets, not 32"},
		"SHA-1":           {key: ours, texts: []string{"v=DKIM1; h=sha1; p=" + p}, want: Unusable, reason: "does not allow SHA-256"},
		"not for mail":    {key: ours, texts: []string{"v=DKIM1; s=tlsrpt; p=" + p}, want: Unusable, reason: "is not for mail"},
		"wildcard":        {key: ours, texts: []string{"v=spf1 -all"}, want: Unusable, reason: "does not begin with v=DKIM1"},
		"words":           {key: ours, texts: []string{"hello"}, want: Unusable, reason: `is no list of tags: "hello"`},
		"no key":          {key: ours, texts: []string{"v=DKIM1; k=rsa"}, want: Unusable, reason: "has no key"},
		"late version":    {key: ours, texts: []string{"p=" + p + "; v=DKIM1"}, want: Unusable, reason: "does not begin with v=DKIM1"},
		"tag twice":       {key: ours, texts: []string{ours.Record + "; p="}, want: Unusable, reason: "has the tag p= twice"},
		"capitals":        {key: ours, texts: []string{"v=DKIM1; P=" + p}, want: Unusable, reason: "has no key"},
		"too long":        {key: ours, texts: []string{ours.Record + "; n=" + strings.Repeat("x", inquiry.MaxAnswer)}, want: Unknown, reason: "DNS does not answer"},
	} {
		d := testkit.NewDNS(t)
		d.Add(tt.key.Name() + ". 60 IN A 192.0.2.1")
		for _, text := range tt.texts {
			d.Add(tt.key.Name() + ". 60 IN TXT" + strings255(text, 100))
		}
		got := Check(t.Context(), inquiry.New(client(t, d)), tt.key)
		if got.State != tt.want || !strings.Contains(got.Reason, tt.reason) || (got.Reason == "") != (tt.want == Published) || got.Testing != tt.testing {
			t.Errorf("%s: %+v, want %s %q", name, got, tt.want, tt.reason)
		}
	}
}

func client(t *testing.T, d *testkit.DNS) *mx.Client {
	t.Helper()
	c, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{d.Addr()}, Timeout: time.Second, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAliasesAndTroubles(t *testing.T) {
	key := made(t, dkim.RSA, "r")
	d := testkit.NewDNS(t)
	d.Add("r._domainkey.example.org. 60 IN CNAME r.keys.gate.example.", "r.keys.gate.example. 60 IN TXT"+strings255(key.Record, 255))
	if got := Check(t.Context(), inquiry.New(client(t, d)), key); got.State != Published {
		t.Errorf("by an alias: %+v", got)
	}
	d.Break("r._domainkey.example.org.", testkit.ServFail)
	if got := Check(t.Context(), inquiry.New(client(t, d)), key); got.State != Unknown {
		t.Errorf("SERVFAIL: %+v, want unknown", got)
	}
	key.Selector = "gone"
	if got := Check(t.Context(), inquiry.New(client(t, d)), key); got.State != Absent {
		t.Errorf("no such name: %+v, want absent", got)
	}
}

func FuzzCompare(f *testing.F) {
	for _, text := range []string{"v=DKIM1; k=rsa; p=MIIB", "k=ed25519; p=AAAA; t=y:s; h=sha256; s=*", ";", "=", "p=;p="} {
		f.Add(text)
	}
	key := Key{Domain: "example.org", Selector: "e", Record: "v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
	f.Fuzz(func(t *testing.T, text string) {
		s := compare(key, text)
		if s.State == "" || (s.Reason == "") != (s.State == Published) || len(s.Reason) > 600 {
			t.Errorf("%q: %+v", text, s)
		}
	})
}

package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
)

// testKeys returns one key of each algorithm for cust.example.
func testKeys(t testing.TB) []Key {
	t.Helper()
	var keys []Key
	for _, a := range Algorithms() {
		k, err := Generate("cust.example", "cs-"+string(a)+"-202611", a, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

func testNow() time.Time { return time.Unix(1793880306, 0) }

func testSigner(t testing.TB, keys []Key) *Signer {
	t.Helper()
	s, err := NewSigner(keys, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lookup answers TXT questions from the keys' records, strings joined.
func lookup(t testing.TB, keys []Key) func(string) ([]string, error) {
	t.Helper()
	zone := make(map[string][]string)
	for _, k := range keys {
		r, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		zone[r.Name] = []string{strings.Join(r.Strings(), "")}
	}
	return func(name string) ([]string, error) { return zone[strings.TrimSuffix(name, ".")], nil }
}

// sign returns the whole signed message.
func sign(t testing.TB, s *Signer, head, body string) string {
	t.Helper()
	hash := NewBodyHash()
	// In odd pieces, as a network brings it.
	for rest := body; len(rest) > 0; {
		n := min(7, len(rest))
		hash.Write([]byte(rest[:n]))
		rest = rest[n:]
	}
	if hash.MissingCRLF() {
		body += "\r\n"
	}
	fields, err := s.Sign([]byte(head), hash)
	if err != nil {
		t.Fatal(err)
	}
	return fields + head + body
}

const testHead = "Received: by x.example; Wed, 04 Nov 2026 12:05:06 +0000\r\n" +
	"From: Joe  Public\r\n\t<joe@cust.example>\r\nTO: ann@other.example\r\nSubject:  folded\r\n  subject \t\r\n" +
	"Date: Wed, 04 Nov 2026 12:05:06 +0000\r\nMessage-ID: <1@cust.example>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: text/plain;\r\n\tcharset=utf-8\r\nList-Unsubscribe: <https://x.example/>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Other: not signed\r\nComments:\r\n\r\n"

// testBodies are bodies that canonicalisation treats specially.
func testBodies() map[string]string {
	return map[string]string{
		"plain":             "Hello\r\nworld\r\n",
		"empty":             "",
		"one line end":      "\r\n",
		"line ends only":    "\r\n\r\n\r\n",
		"white space only":  " \t\r\n \r\n",
		"blank only":        "   ",
		"trailing lines":    "x\r\n\r\n\r\n",
		"inner blank lines": "x\r\n\r\n  \r\ny\r\n",
		"trailing blanks":   "x \t\r\ny  \r\n",
		"inner blanks":      "a  \t b\r\n\tc\r\n",
		"leading blanks":    "   a\r\n",
		"no final CRLF":     "x\r\ny",
		"ends in blank":     "x\r\ny ",
		"long line":         strings.Repeat("x y", 5000) + "\r\n",
		"many lines":        strings.Repeat("line of text \r\n\r\n", 1000),
		"base 64":           strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 200),
		"8-bit":             "Gr\xc3\xbc\xdfe\r\n",
		"dots":              ".\r\n..\r\n",
	}
}

func TestSignVerifiesByLibrary(t *testing.T) {
	keys := testKeys(t)
	s := testSigner(t, keys)
	for name, body := range testBodies() {
		t.Run(name, func(t *testing.T) {
			results, err := Verify(strings.NewReader(sign(t, s, testHead, body)), lookup(t, keys))
			if err != nil || len(results) != 2 {
				t.Fatalf("%v, %v", results, err)
			}
			for i, want := range []string{"rsa-sha256", "ed25519-sha256"} {
				r := results[i]
				if r.Err != nil || r.Domain != "cust.example" || r.Selector != keys[i].Selector || r.Algorithm != want {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
}

// TestSignVerifiesByDkimpy asks a verifier in another language.
func TestSignVerifiesByDkimpy(t *testing.T) {
	const script = `
import sys, dkim
zone = dict(line.split("|", 1) for line in sys.argv[1:])
message = sys.stdin.buffer.read()
def txt(name, timeout=5):
    return zone[name.decode().rstrip(".")].encode()
d = dkim.DKIM(message)
for i in range(int(zone.pop("count"))):
    print(d.verify(idx=i, dnsfunc=txt), d.domain.decode())
`
	keys := testKeys(t)
	s := testSigner(t, keys)
	for _, body := range []string{"plain", "empty", "trailing blanks", "inner blank lines", "no final CRLF", "8-bit"} {
		t.Run(body, func(t *testing.T) {
			args := []string{"-c", script, "count|2"}
			for _, k := range keys {
				r, err := k.Record()
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, r.Name+"|"+r.Value)
			}
			cmd := exec.Command("/usr/bin/python3", args...)
			cmd.Stdin = strings.NewReader(sign(t, s, testHead, testBodies()[body]))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "True cust.example\nTrue cust.example\n" {
				t.Errorf("dkimpy (package python3-dkim, with python3-nacl) says %q, %v", out, err)
			}
		})
	}
}

func TestSignatureBreaksWhenMessageChanges(t *testing.T) {
	keys := testKeys(t)
	signed := sign(t, testSigner(t, keys), testHead, "Hello\r\n")
	cases := map[string]func(string) string{
		"body":            func(m string) string { return m + "more\r\n" },
		"subject":         func(m string) string { return strings.Replace(m, "folded", "forged", 1) },
		"second From":     func(m string) string { return strings.Replace(m, "From:", "From: x@y.example\r\nFrom:", 1) },
		"From at the end": func(m string) string { return strings.Replace(m, "\r\n\r\n", "\r\nFrom: x@y.example\r\n\r\n", 1) },
		"Sender":          func(m string) string { return "Sender: x@y.example\r\n" + m },
		"Reply-To":        func(m string) string { return "Reply-To: x@y.example\r\n" + m },
		"Cc":              func(m string) string { return "Cc: x@y.example\r\n" + m },
		"time":            func(m string) string { return strings.ReplaceAll(m, "t=1793880306", "t=1793880307") },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			changed := change(signed)
			if changed == signed {
				t.Fatal("nothing was changed")
			}
			results, err := Verify(strings.NewReader(changed), lookup(t, keys))
			if err != nil || len(results) != 2 {
				t.Fatalf("%v, %v", results, err)
			}
			for _, r := range results {
				if r.Err == nil {
					t.Errorf("%s still verifies", r.Algorithm)
				}
			}
		})
	}
	results, err := Verify(strings.NewReader("X-Added: x\r\n"+signed), lookup(t, keys))
	if err != nil || len(results) != 2 || results[0].Err != nil || results[1].Err != nil {
		t.Errorf("an unsigned field breaks it: %v, %v", results, err)
	}
}

// TestSignFieldsThatRepeat signs several fields of one name, which a verifier
// takes from the last to the first.
func TestSignFieldsThatRepeat(t *testing.T) {
	keys := testKeys(t)
	head := "References: <a>\r\nFrom: joe@cust.example\r\nReferences: <b>\r\nFrom: ann@cust.example\r\n\r\n"
	results, err := Verify(strings.NewReader(sign(t, testSigner(t, keys), head, "x\r\n")), lookup(t, keys))
	if err != nil || len(results) != 2 || results[0].Err != nil || results[1].Err != nil {
		t.Errorf("got %v, %v", results, err)
	}
}

// TestResentFieldsAreSigned: nobody can change who resent a message, and
// whoever resends it once more does not break the signature.
func TestResentFieldsAreSigned(t *testing.T) {
	keys := testKeys(t)
	const block = "Resent-From: <joe@cust.example>\r\nResent-Sender: <joe@cust.example>\r\nResent-To: <bob@third.example>\r\n" +
		"Resent-Cc: <eve@third.example>\r\nResent-Date: Wed, 04 Nov 2026 12:05:06 +0000\r\nResent-Message-ID: <2@cust.example>\r\n"
	signed := sign(t, testSigner(t, keys), block+testHead, "x\r\n")
	valid := func(text string) bool {
		t.Helper()
		results, err := Verify(strings.NewReader(text), lookup(t, keys))
		if err != nil || len(results) != 2 {
			t.Fatalf("%v, %v", results, err)
		}
		return results[0].Err == nil && results[1].Err == nil
	}
	if !valid(signed) {
		t.Error("the signatures do not verify")
	}
	again := strings.NewReplacer("joe@cust", "ann@other", "<2@cust", "<3@other").Replace(block)
	if !valid(again + signed) {
		t.Error("resent once more, the signatures do not verify")
	}
	for _, field := range strings.SplitAfter(strings.TrimSuffix(block, "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(strings.TrimSuffix(field, "\r\n"), ":")
		if valid(strings.Replace(signed, name+":"+value, name+": changed", 1)) {
			t.Errorf("%s can be changed", name)
		}
		if valid(strings.Replace(signed, name+":"+value+"\r\n", "", 1)) {
			t.Errorf("%s can be taken away", name)
		}
	}
}

func TestSignatureForm(t *testing.T) {
	keys := testKeys(t)
	head := "From: joe@cust.example\r\nList-Id: <x>\r\nReferences: <a>\r\n\r\n"
	hash := NewBodyHash()
	fields, err := testSigner(t, keys[1:]).Sign([]byte(head), hash)
	if err != nil {
		t.Fatal(err)
	}
	const want = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" +
		"\td=cust.example; s=cs-ed25519-202611; t=1793880306;\r\n" +
		"\th=From:From:Sender:Reply-To:To:Cc:Subject:Date:Message-ID:References:\r\n\t MIME-Version:Content-Type:Content-Transfer-Encoding:List-ID;\r\n" +
		"\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb="
	if !strings.HasPrefix(fields, want) || !strings.HasSuffix(fields, "\r\n") {
		t.Errorf("got\n%s\nwant\n%s", fields, want)
	}
	for line := range strings.SplitSeq(fields, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d octets: %s", len(line), line)
		}
	}
}

func TestSignRefusesBrokenHeader(t *testing.T) {
	s := testSigner(t, testKeys(t)[1:])
	for _, head := range []string{"", "\r\n", "To: x\r\n\r\n", "From: x", "From: x\n\n", "no colon\r\n\r\n"} {
		_, err := s.Sign([]byte(head), NewBodyHash())
		if !fault.Is(err, fault.Internal) {
			t.Errorf("%q: got %v", head, err)
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	keys := testKeys(t)
	other := keys[0]
	other.Domain = "other.example"
	for name, set := range map[string][]Key{
		"no key": nil, "zero key": {{}}, "two domains": {keys[1], other}, "one selector twice": {keys[0], keys[0]},
	} {
		_, err := NewSigner(set, testNow)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSignConcurrently(t *testing.T) {
	keys := testKeys(t)
	s := testSigner(t, keys)
	var wg sync.WaitGroup
	out := make([]string, 8)
	for i := range out {
		wg.Go(func() { out[i] = sign(t, s, testHead, "x\r\n") })
	}
	wg.Wait()
	for _, m := range out {
		if m != out[0] {
			t.Error("signatures of one message differ")
		}
	}
}

// rfc8463Head and rfc8463Body are the message of RFC 8463 appendix A.3.
const (
	rfc8463Head = "From: Joe SixPack <joe@football.example.com>\r\n" +
		"To: Suzie Q <suzie@shopping.example.net>\r\n" +
		"Subject: Is dinner ready?\r\n" +
		"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
		"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
	rfc8463Body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)

// rfc8463Field is the signature's header up to bh=, with one of its two forms
// of a= and s=.
func rfc8463Field(algorithm, selector string) string {
	return "DKIM-Signature: v=1; a=" + algorithm + "; c=relaxed/relaxed;\r\n" +
		" d=football.example.com; i=@football.example.com;\r\n" +
		" q=dns/txt; s=" + selector + "; t=1528637909; h=from : to :\r\n" +
		" subject : date : message-id : from : subject : date;\r\n bh="
}

// TestRFC8463Vector makes the Ed25519 signature of RFC 8463 appendix A from its
// key and its signature header, with our canonicalisation of body and header.
func TestRFC8463Vector(t *testing.T) {
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey("test", "football.example.com", "brisbane", ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	record, err := key.Record()
	if err != nil || record.Value != "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" {
		t.Errorf("record %v, %v", record, err)
	}
	hash := NewBodyHash()
	hash.Write([]byte(rfc8463Body))
	bh := base64.StdEncoding.EncodeToString(hash.sum())
	if bh != "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=" {
		t.Errorf("body hash %s", bh)
	}
	fields, err := splitHeader([]byte(rfc8463Head))
	if err != nil {
		t.Fatal(err)
	}
	var canonical []byte
	for _, f := range fields { // in the order of its h=, which is theirs too
		canonical = append(appendRelaxed(canonical, f.raw), '\r', '\n')
	}
	sig, err := key.signField(rfc8463Field("ed25519-sha256", "brisbane")+bh+";\r\n b=", canonical)
	if err != nil {
		t.Fatal(err)
	}
	const want = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
	_, got, _ := strings.Cut(sig, "\r\n b=")
	if got = strings.NewReplacer("\r\n", "", "\t", "").Replace(got); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestVerifyRFC8463 verifies the message of RFC 8463 appendix A.3 as printed,
// RSA signature too.
func TestVerifyRFC8463(t *testing.T) {
	const bh = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	text := rfc8463Field("ed25519-sha256", "brisbane") + bh +
		" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n" +
		rfc8463Field("rsa-sha256", "test") + bh +
		" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n" +
		" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n" +
		" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" + rfc8463Head + rfc8463Body
	zone := map[string]string{
		"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"test._domainkey.football.example.com": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
			"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
			"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3" +
			"Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
	}
	results, err := Verify(strings.NewReader(text), func(name string) ([]string, error) { return []string{zone[name]}, nil })
	if err != nil || len(results) != 2 {
		t.Fatalf("%v, %v", results, err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Algorithm, r.Err)
		}
	}
}

func TestVerifyUnsigned(t *testing.T) {
	results, err := Verify(strings.NewReader("From: x\r\n\r\nbody\r\n"), lookup(t, nil))
	if err != nil || len(results) != 0 {
		t.Errorf("got %v, %v", results, err)
	}
}

// FuzzBodyHash compares our canonicalisation, however the body is cut into
// pieces, with one that works on the whole of it.
func FuzzBodyHash(f *testing.F) {
	for _, body := range testBodies() {
		f.Add([]byte(body), uint8(3))
	}
	f.Add([]byte("a\r"), uint8(1))
	f.Add([]byte("a \r\r\n\n"), uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, piece uint8) {
		// Strict input: no LF without CR.
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		h := NewBodyHash()
		for rest := body; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			h.Write(rest[:n])
			rest = rest[n:]
		}
		want := sha256.Sum256(relaxedWhole(body))
		if got := h.sum(); !bytes.Equal(got, want[:]) {
			t.Errorf("%q in pieces of %d: wrong hash", body, int(piece)+1)
		}
		if h.MissingCRLF() != (len(body) > 0 && !bytes.HasSuffix(body, []byte("\r\n"))) {
			t.Errorf("%q: MissingCRLF is wrong", body)
		}
	})
}

// relaxedWhole is RFC 6376 section 3.4.4 word by word.
func relaxedWhole(body []byte) []byte {
	lines := strings.Split(string(body), "\r\n")
	for i, line := range lines {
		var b strings.Builder
		for _, c := range []byte(strings.TrimRight(line, " \t")) {
			if c == '\t' {
				c = ' '
			}
			if c != ' ' || !strings.HasSuffix(b.String(), " ") {
				b.WriteByte(c)
			}
		}
		lines[i] = b.String()
	}
	text := strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if text == "" {
		return nil
	}
	return []byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")
}

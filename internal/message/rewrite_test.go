package message

import (
	"fmt"
	"strings"
	"testing"

	"countersign/internal/mail"
)

// rewritten rewrites every field of names in a header, and returns it with what was said.
func rewritten(t testing.TB, head string, sender bool, names ...string) (string, []Rewritten) {
	t.Helper()
	h, _, err := ReadHeader(strings.NewReader(head+"\r\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r := Rewriting{Own: mail.Address{Local: "me", Domain: "mine.example"}, Sender: sender}
	for i, f := range h.fields {
		for _, name := range names {
			if f.is(name) {
				r.Fields = append(r.Fields, i)
			}
		}
	}
	changed := h.Rewrite(r)
	return strings.TrimSuffix(string(h.Bytes()), "\r\n"), changed
}

func TestRewrite(t *testing.T) {
	const all = "From Sender Resent-From Resent-Sender"
	long := strings.Repeat("Very ", 30) + "Long"
	for name, c := range map[string]struct {
		head, fields string
		sender       bool
		want         string
		said         string
	}{
		"bare": {"From: ceo@bank.example\r\nTo: x@y.example\r\n", "From", false,
			"From: me@mine.example\r\nReply-To: ceo@bank.example\r\nTo: x@y.example\r\n",
			"From|ceo@bank.example|me@mine.example, Reply-To||ceo@bank.example"},
		"the name stays": {"From: \"Boss, The\" <ceo@bank.example>\r\n", "From", false,
			"From: \"Boss, The\" <me@mine.example>\r\nReply-To: \"Boss, The\" <ceo@bank.example>\r\n",
			`From|"Boss, The" <ceo@bank.example>|"Boss, The" <me@mine.example>, Reply-To||"Boss, The" <ceo@bank.example>`},
		"an encoded name stays": {"From: =?utf-8?q?J=C3=B6e?= <ceo@bank.example>\r\nReply-To: other@bank.example\r\n", "From", false,
			"From: =?utf-8?q?J=C3=B6e?= <me@mine.example>\r\nReply-To: other@bank.example\r\n",
			"From|=?utf-8?q?J=C3=B6e?= <ceo@bank.example>|=?utf-8?q?J=C3=B6e?= <me@mine.example>"},
		"a name that shows an address goes": {"From: \"ceo@bank.example\" <x@y.example>\r\nReply-To: z@y.example\r\n", "From", false,
			"From: me@mine.example\r\nReply-To: z@y.example\r\n", `From|"ceo@bank.example" <x@y.example>|me@mine.example`},
		"an encoded one too": {"From: =?utf-8?q?ceo=40bank.example?= <x@y.example>\r\nReply-To: z@y.example\r\n", "From", false,
			"From: me@mine.example\r\nReply-To: z@y.example\r\n", `From|=?utf-8?q?ceo=40bank.example?= <x@y.example>|me@mine.example`},
		"a name that shows its own stays": {"From: \"ME@mine.example\" <x@y.example>\r\nReply-To: z@y.example\r\n", "From", false,
			"From: \"ME@mine.example\" <me@mine.example>\r\nReply-To: z@y.example\r\n", `From|"ME@mine.example" <x@y.example>|"ME@mine.example" <me@mine.example>`},
		"several authors": {"From: A <a@b.example>, B <c@d.example>\r\nSender: a@b.example\r\n", "From Sender", false,
			"From: A <me@mine.example>\r\nReply-To: A <a@b.example>, B <c@d.example>\r\n",
			"From|A <a@b.example>, B <c@d.example>|A <me@mine.example>, Sender|a@b.example|, Reply-To||A <a@b.example>, B <c@d.example>"},
		"an empty Reply-To is none": {"Reply-To:\r\nFrom: a@b.example\r\n", "From", false,
			"Reply-To: a@b.example\r\nFrom: me@mine.example\r\n", "From|a@b.example|me@mine.example, Reply-To||a@b.example"},
		"sender alone": {"From: a@b.example\r\nSender: S <s@d.example>\r\n", "Sender", false,
			"From: a@b.example\r\nSender: me@mine.example\r\n", "Sender|S <s@d.example>|me@mine.example"},
		"a sender that says the same goes": {"Sender: s@d.example\r\nFrom: Me <me@mine.example>\r\n", "Sender", false,
			"From: Me <me@mine.example>\r\n", "Sender|s@d.example|"},
		"on behalf": {"From: a@b.example\r\n", "", true, "From: a@b.example\r\nSender: me@mine.example\r\n", "Sender||me@mine.example"},
		"on behalf of another sender": {"Sender: s@d.example\r\nFrom: a@b.example\r\n", "", true,
			"Sender: me@mine.example\r\nFrom: a@b.example\r\n", "Sender|s@d.example|me@mine.example"},
		"resent": {"Resent-From: R <r@x.example>, q@x.example\r\nResent-Sender: q@x.example\r\nFrom: me@mine.example\r\n", all, false,
			"Resent-From: R <me@mine.example>\r\nResent-Sender: me@mine.example\r\nFrom: me@mine.example\r\nReply-To: me@mine.example\r\n",
			"Resent-From|R <r@x.example>, q@x.example|R <me@mine.example>, Resent-Sender|q@x.example|me@mine.example, From|me@mine.example|me@mine.example, Reply-To||me@mine.example"},
		"folded anew": {"From: " + long + "\r\n <a@b.example>\r\nReply-To: x@y.example\r\n", "From", false,
			"From: " + strings.TrimSpace(strings.Repeat("Very ", 14)) + "\r\n " + strings.TrimSpace(strings.Repeat("Very ", 15)) + "\r\n Very Long <me@mine.example>\r\nReply-To: x@y.example\r\n",
			"From|" + long + " <a@b.example>|" + long + " <me@mine.example>"},
		"a very long name goes": {"From: " + strings.Repeat("x", 700) + "\r\n <a@b.example>\r\nReply-To: x@y.example\r\n", "From", false,
			"From: me@mine.example\r\nReply-To: x@y.example\r\n", "From|" + strings.Repeat("x", 700) + " <a@b.example>|me@mine.example"},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed := rewritten(t, c.head, c.sender, strings.Fields(c.fields)...)
			if got != c.want {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
			var said []string
			for _, r := range changed {
				said = append(said, fmt.Sprintf("%s|%s|%s", r.Field, r.Before, r.After))
			}
			if text := strings.Join(said, ", "); text != c.said {
				t.Errorf("said is\n%s, want\n%s", text, c.said)
			}
		})
	}
}

// FuzzRewrite: whatever From and Sender hold that can be read, after a rewriting they name one
// address and show no other, and every line is one that may be sent.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		"joe@cust.example", "Joe <joe@cust.example>", `"Joe" <joe@cust.example> (x)`, "a@b.example, c@d.example",
		"=?utf-8?q?ceo=40bank.example?= <joe@cust.example>", `"\"<" <a@b.example>`, "a (b (c) \\) d) e <e@f.example>", "(<) a@b.example",
		"\xfc <a@b.example>", "a.b. c <d@e.example>", "\"a\r\n b\" <a@b.example>", strings.Repeat("x", 980) + "\r\n <a@b.example>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		h, _, err := ReadHeader(strings.NewReader("Sender: s@x.example\r\nFrom: "+body+"\r\n\r\n"), Limits{})
		if err != nil || h.Check(0) != nil || h.Count("From") != 1 || h.EncodeRaw(RawEncode, false) != nil {
			return
		}
		list, err := h.Identities()
		if err != nil {
			return
		}
		own := mail.Address{Local: "me", Domain: "mine.example"}
		r := Rewriting{Own: own}
		for i, f := range h.fields {
			if f.is("From") || f.is("Sender") {
				r.Fields = append(r.Fields, i)
			}
		}
		h.Rewrite(r)
		again, _, err := ReadHeader(strings.NewReader(string(h.Bytes())), Limits{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatalf("%v cannot be read back: %v\n%q", list, err, h.Bytes())
		}
		got, err := again.Identities()
		if err != nil {
			t.Fatalf("%v: %v\n%q", list, err, h.Bytes())
		}
		for _, id := range got {
			if id.Address.Key() != own.Key() {
				t.Fatalf("it still names %v\n%q", id, h.Bytes())
			}
		}
	})
}

package message

import (
	netmail "net/mail"
	"slices"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// identitiesOf returns the identities of a header as one string, or the reason
// of the refusal in angle brackets.
func identitiesOf(t testing.TB, head string) string {
	t.Helper()
	h, _, err := ReadHeader(strings.NewReader(head+"\r\n"), Limits{})
	if err != nil {
		return "<" + fault.ReasonOf(err) + ">"
	}
	err = h.Check(100)
	if err != nil {
		return "<" + fault.ReasonOf(err) + ">"
	}
	list, err := h.Identities()
	if err != nil {
		return "<" + fault.ReasonOf(err) + ">"
	}
	var texts []string
	for _, a := range list {
		if !slices.Contains(texts, a.Address.String()) {
			texts = append(texts, a.Address.String())
		}
	}
	return strings.Join(texts, " ")
}

func TestIdentities(t *testing.T) {
	const bad, misleading = "<header-malformed>", "<header-name-misleading>"
	cases := map[string]struct{ head, want string }{
		"bare":                  {"From: joe@cust.example\r\n", "joe@cust.example"},
		"angle":                 {"From: <joe@cust.example>\r\n", "joe@cust.example"},
		"case is kept in local": {"From: Joe@CUST.Example\r\n", "Joe@cust.example"},
		"name":                  {"From: Joe Public <joe@cust.example>\r\n", "joe@cust.example"},
		"quoted name":           {"From: \"Public, Joe\" <joe@cust.example>\r\n", "joe@cust.example"},
		"dot in name":           {"From: Joe Q. Public <joe@cust.example>\r\n", "joe@cust.example"},
		"name without space":    {"From: Joe<joe@cust.example>\r\n", "joe@cust.example"},
		"encoded name":          {"From: =?utf-8?q?J=C3=B6e?= <joe@cust.example>\r\n", "joe@cust.example"},
		"raw 8-bit name":        {"From: J\xf6e <joe@cust.example>\r\n", "joe@cust.example"},
		"comment behind":        {"From: joe@cust.example (Joe (the one) Public)\r\n", "joe@cust.example"},
		"comment in name":       {"From: Joe (Sales) <joe@cust.example>\r\n", "joe@cust.example"},
		"folded":                {"From: Joe\r\n Public\r\n\t<joe@cust.example>\r\n", "joe@cust.example"},
		"quoted local":          {"From: \"joe smith\"@cust.example\r\n", `"joe smith"@cust.example`},
		"plain quoted local":    {"From: \"joe\"@cust.example\r\n", "joe@cust.example"},
		"space in brackets":     {"From: < joe@cust.example >\r\n", "joe@cust.example"},
		"literal":               {"From: joe@[192.0.2.1]\r\n", "joe@[192.0.2.1]"},
		"UTF-8 address":         {"From: j\u00f6e@b\u00fccher.example\r\n", "j\u00f6e@xn--bcher-kva.example"},
		"sender":                {"From: joe@cust.example\r\nSender: Ann <ann@cust.example>\r\n", "joe@cust.example ann@cust.example"},
		"sender stands first":   {"Sender: ann@cust.example\r\nFrom: joe@cust.example\r\n", "joe@cust.example ann@cust.example"},
		"resent":                {"Resent-From: r@x.example, s@x.example\r\nResent-Sender: t@x.example\r\nResent-From: u@x.example\r\nFrom: joe@cust.example\r\n", "joe@cust.example r@x.example s@x.example t@x.example u@x.example"},
		"two authors, sender":   {"From: joe@cust.example, ann@cust.example\r\nSender: joe@cust.example\r\n", "joe@cust.example ann@cust.example"},
		"others do not count":   {"From: joe@cust.example\r\nReply-To: x@y.example\r\nTo: broken <<\r\n", "joe@cust.example"},

		// What is refused for its form.
		"two authors, no sender": {"From: joe@cust.example, ann@cust.example\r\n", bad},
		"two senders":            {"From: joe@cust.example\r\nSender: a@b.example, c@d.example\r\n", bad},
		"empty From":             {"From:\r\n", bad},
		"name only":              {"From: Joe\r\n", bad},
		"no domain":              {"From: root (Cron Daemon)\r\n", bad},
		"null":                   {"From: Joe <>\r\n", bad},
		"empty element":          {"From: joe@cust.example,, ann@cust.example\r\nSender: joe@cust.example\r\n", bad},
		"final comma":            {"From: joe@cust.example,\r\n", bad},
		"space in address":       {"From: joe @cust.example\r\n", bad},
		"space in domain":        {"From: joe@ cust.example\r\n", bad},
		"double dot":             {"From: joe..x@cust.example\r\n", bad},
		"domain ends in dot":     {"From: joe@cust.example.\r\n", bad},
		"two @":                  {"From: joe@cust.example@evil.example\r\n", bad},
		"brackets in name":       {"From: Joe [x] <joe@cust.example>\r\n", bad},
		"backslash":              {"From: Joe\\, X <joe@cust.example>\r\n", bad},
		"control character":      {"From: \"J\x01\" <joe@cust.example>\r\n", "<header-control-character>"},
		"bad charset":            {"From: =?ibm037?b?w4WW?= <joe@cust.example>\r\n", misleading},
		"bad base64":             {"From: =?utf-8?b?Y*?= <joe@cust.example>\r\n", misleading},
		"UTF-7":                  {"From: =?utf-7?q?ceo+AEA-bank.example?= <joe@cust.example>\r\n", misleading},
		"unused charset":         {"From: =?iso-2022-kr?q?Joe?= <joe@cust.example>\r\n", misleading},
		"encoded line end":       {"From: =?utf-8?q?Joe=0D=0AX?= <joe@cust.example>\r\n", misleading},
		"direction override":     {"From: \"J\u202eeo\" <joe@cust.example>\r\n", misleading},
		"wrong separator":        {"From: <joe@cust.example>;<ann@cust.example>\r\nSender: joe@cust.example\r\n", bad},
		"broken Sender":          {"From: joe@cust.example\r\nSender: x\r\n", bad},
		"broken Resent-From":     {"From: joe@cust.example\r\nResent-From: x\r\n", bad},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := identitiesOf(t, c.head); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestIdentitiesSpoofing holds the published tricks to make a reader see
// ceo@bank.example in a message of joe@cust.example. Each must be refused, or
// give the shown address away.
func TestIdentitiesSpoofing(t *testing.T) {
	const own, victim = "<joe@cust.example>", "ceo@bank.example"
	cases := map[string]string{
		"two From":                    "From: ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"two From, one by case":       "From: joe@cust.example\r\nFROM: ceo@bank.example\r\n",
		"space before the colon":      "From : ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"space before the name":       " From: ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"tab before the colon":        "From\t: ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"NUL in the name":             "From\x00: ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"no-break space in the name":  "From\xc2\xa0: ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"fold before the colon":       "From\r\n : ceo@bank.example\r\nFrom: joe@cust.example\r\n",
		"From behind a white line":    "Subject: x\r\n \r\nFrom: ceo@bank.example\r\n",
		"list, victim first":          "From: ceo@bank.example, joe@cust.example\r\n",
		"list with sender":            "From: joe@cust.example, ceo@bank.example\r\nSender: joe@cust.example\r\n",
		"name is an address":          `From: "ceo@bank.example" ` + own + "\r\n",
		"name is quoted like Outlook": `From: "'ceo@bank.example'" ` + own + "\r\n",
		"name is name and address":    `From: "CEO <ceo@bank.example>" ` + own + "\r\n",
		"unquoted address as name":    "From: ceo@bank.example " + own + "\r\n",
		"two brackets":                "From: <ceo@bank.example><joe@cust.example>\r\n",
		"two brackets, comment":       "From: <joe@cust.example>(x)<ceo@bank.example>\r\n",
		"text behind":                 "From: <joe@cust.example> ceo@bank.example\r\n",
		"address in comment":          "From: joe@cust.example (ceo@bank.example)\r\n",
		"address in nested comment":   "From: joe@cust.example (x (ceo@bank.example) y)\r\n",
		"comment in the address":      "From: ceo@bank.example(x)@cust.example\r\n",
		"comment hides a comma":       "From: ceo@bank.example(, joe@cust.example\r\n",
		"unclosed quote":              `From: "ceo@bank.example <joe@cust.example>` + "\r\n",
		"unclosed bracket":            "From: <ceo@bank.example, joe@cust.example\r\n",
		"escaped quote":               `From: "x\" <ceo@bank.example>, \"" ` + own + "\r\n",
		"quotes cut the name":         `From: "ceo@bank".example ` + own + "\r\n",
		"quotes side by side":         `From: "ceo@""bank.example" ` + own + "\r\n",
		"quoted local in name":        `From: "\"ceo\"@bank.example" ` + own + "\r\n",
		"source route":                "From: <@ceo@bank.example:joe@cust.example>\r\n",
		"source route, list":          "From: <@cust.example,@bank.example:ceo@bank.example>\r\n",
		"group":                       "From: ceo@bank.example:joe@cust.example;\r\n",
		"group with name":             "From: CEO: joe@cust.example;\r\n",
		"empty group":                 "From: ceo@bank.example:;\r\n",
		"semicolon list":              "From: ceo@bank.example; joe@cust.example\r\n",
		"encoded Q":                   "From: =?utf-8?q?ceo=40bank.example?= " + own + "\r\n",
		"encoded B":                   "From: =?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?= " + own + "\r\n",
		"encoded with brackets":       "From: =?utf-8?b?PGNlb0BiYW5rLmV4YW1wbGU+?= " + own + "\r\n",
		"encoded in quotes":           `From: "=?utf-8?q?ceo=40bank.example?=" ` + own + "\r\n",
		"encoded in a comment":        "From: joe@cust.example (=?utf-8?q?ceo=40bank.example?=)\r\n",
		"encoded in two words":        "From: =?utf-8?q?ceo=40?= =?us-ascii?q?bank.example?= " + own + "\r\n",
		"encoded, folded":             "From: =?utf-8?q?ceo=40?=\r\n =?utf-8?q?bank.example?= " + own + "\r\n",
		"encoded half":                "From: ceo=?utf-8?q?=40?=bank.example " + own + "\r\n",
		"encoded, language":           "From: =?utf-8*en?q?ceo=40bank.example?= " + own + "\r\n",
		"encoded, UTF-16":             "From: =?utf-16le?b?YwBlAG8AQABiAGEAbgBrAC4AZQB4AGEAbQBwAGwAZQA=?= " + own + "\r\n",
		"encoded twice":               "From: =?utf-8?q?=3D=3Futf-8=3Fb=3FY2VvQGJhbmsuZXhhbXBsZQ=3D=3D=3F=3D?= " + own + "\r\n",
		"encoded line end":            "From: =?utf-8?q?ceo=0D=0AFrom:_x?= " + own + "\r\n",
		"encoded NUL":                 "From: =?utf-8?q?ceo=40bank.example=00?= " + own + "\r\n",
		"encoded local part":          "From: =?utf-8?q?ceo=40bank.example=3E?=@cust.example\r\n",
		"encoded local in brackets":   "From: <=?utf-8?q?ceo=40bank.example=00?=@cust.example>\r\n",
		"full width":                  "From: \"\uff43\uff45\uff4f\uff20\uff42\uff41\uff4e\uff4b\uff0eexample\" " + own + "\r\n",
		"full width @, raw":           "From: ceo\uff20bank.example " + own + "\r\n",
		"ideographic dot":             "From: \"ceo@bank\u3002example\" " + own + "\r\n",
		"zero width space":            "From: \"ceo@ba\u200bnk.example\" " + own + "\r\n",
		"soft hyphen":                 "From: \"ceo@ba\u00adnk.example\" " + own + "\r\n",
		"right to left":               "From: \"\u202eelpmaxe.knab@oec\" " + own + "\r\n",
		"in Sender's name":            "From: joe@cust.example\r\nSender: \"ceo@bank.example\" <joe@cust.example>\r\n",
		"in Resent-From":              "From: joe@cust.example\r\nResent-From: ceo@bank.example\r\n",
		"folded address":              "From: ceo@bank.example,\r\n joe@cust.example\r\n",
		"tab as separator":            "From: ceo@bank.example\tjoe@cust.example\r\n",
	}
	for name, head := range cases {
		t.Run(name, func(t *testing.T) {
			got := identitiesOf(t, head)
			refused := strings.HasPrefix(got, "<header-")
			if !refused && !strings.Contains(got, victim) {
				t.Errorf("%q is taken for %s", head, got)
			}
		})
	}
}

// TestIdentitiesInnocentNames holds names that look odd and hide nothing.
func TestIdentitiesInnocentNames(t *testing.T) {
	for _, name := range []string{
		`"joe@cust.example"`, `"'joe@cust.example'"`, `"Joe (joe@cust.example)"`, `"Meet @ five"`, `"@joe"`,
		`"joe@work"`, `"Joe @ Customer Inc."`, `"AT&T = great? yes"`, "O'Brien", "=?big5?b?pKSk5Q==?=",
		"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "=?windows-1251?q?=CC=E0=F0=E8=FF?=", `"Firma \"Joe\" GmbH"`,
		"=?utf-8?q?a?= =?utf-8?q?b?=", `"\u05d0\u200f"`, `"www.bank.example"`,
	} {
		if got := identitiesOf(t, "From: "+name+" <joe@cust.example>\r\n"); got != "joe@cust.example" {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func FuzzIdentities(f *testing.F) {
	for _, s := range []string{
		"joe@cust.example", "Joe <joe@cust.example>", `"Joe" <joe@cust.example> (x)`, "a@b.example, c@d.example",
		"=?utf-8?q?ceo=40bank.example?= <joe@cust.example>", "g: a@b.example;", "<@x:a@b.example>", `"\"" <a@b.example>`,
		"a (b (c) d) <e@f.example>", "\xfc <a@b.example>", "=?", "=?utf-8?b??= <a@b.example>", "a.b. c <d@e.example>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		h, _, err := ReadHeader(strings.NewReader("Sender: s@x.example\r\nFrom: "+body+"\r\n\r\n"), Limits{})
		if err != nil || h.Check(0) != nil || h.Count("From") != 1 {
			return
		}
		list, err := h.Identities()
		if err != nil {
			if fault.ReasonOf(err) == "" {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		if has8Bit(body) {
			return
		}
		// What both accept, both must read alike.
		value, _ := h.Value("From")
		other, err := netmail.ParseAddressList(value)
		if err != nil {
			return
		}
		for i, o := range other {
			if !strings.EqualFold(o.Address, plain(list[0].Address)) && i == 0 {
				t.Fatalf("%q: net/mail reads %q, we read %v", body, o.Address, list)
			}
			found := false
			for _, a := range list {
				found = found || strings.EqualFold(o.Address, plain(a.Address))
			}
			if !found {
				t.Fatalf("%q: net/mail reads %q too, we read %v", body, o.Address, list)
			}
		}
	})
}

// plain writes an address as net/mail does: without quotes.
func plain(a mail.Address) string { return a.Local + "@" + string(a.Domain) }

func TestSendersLeaveOutWhatNamesShow(t *testing.T) {
	text := "From: \"visitor@elsewhere.example\" <form@example.org>\r\nSender: (x@elsewhere.example) <s@example.org>\r\n\r\n"
	h, _, err := ReadHeader(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	real, err := h.Senders()
	if err != nil || len(real) != 2 || real[0].Address.String() != "form@example.org" || real[1].Address.String() != "s@example.org" {
		t.Errorf("Senders: %v, %v", real, err)
	}
	all, err := h.Identities()
	if err != nil || len(all) <= len(real) {
		t.Errorf("Identities: %v, %v", all, err)
	}
}

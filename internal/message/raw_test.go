package message

import (
	"mime"
	netmail "net/mail"
	"strings"
	"testing"

	"countersign/internal/fault"
)

// decoded returns the field's body as the standard library shows it.
func decoded(t *testing.T, h *Header, name string) string {
	t.Helper()
	value, _ := h.Value(name)
	text, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	return text
}

func TestEncodeRawUnstructured(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("Grüße aus Köln ", 20))
	cases := map[string]struct{ in, want string }{
		"UTF-8":              {"Subject: Grüße", "Grüße"},
		"windows-1252":       {"Subject: Gr\xfc\xdfe \x80 5", "Grüße € 5"},
		"among ASCII":        {"Subject: Re: der große Tag = fein", "Re: der große Tag = fein"},
		"several words":      {"Subject: schöne Grüße für dich", "schöne Grüße für dich"},
		"two spaces":         {"Subject: ü  ö x", "ü  ö x"},
		"folded":             {"Subject: schöne\r\n Grüße\r\n\tda", "schöne Grüße\tda"},
		"wide fold":          {"Subject: x\r\n          " + strings.Repeat("ü", 40), "x          " + strings.Repeat("ü", 40)},
		"long":               {"Subject: " + long, long},
		"long word":          {"Subject: " + strings.Repeat("漢字", 60), strings.Repeat("漢字", 60)},
		"beside encoded":     {"Subject: =?utf-8?q?=C3=BC?= ö =?utf-8?q?=C3=A4?=", "ü ö ä"},
		"unknown field":      {"X-Firma: Müller & Söhne", "Müller & Söhne"},
		"grows over the end": {"Subject: ü " + strings.Repeat("x", 500) + " " + strings.Repeat("y", 480), "ü " + strings.Repeat("x", 500) + " " + strings.Repeat("y", 480)},
		"specials":           {"Subject: _ü?=", "_ü?="},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := mustRead(t, c.in+"\r\nX-Other: as it was  \r\n\r\n")
			err := h.EncodeRaw(RawEncode, false)
			if err != nil {
				t.Fatal(err)
			}
			fieldName, _, _ := strings.Cut(c.in, ":")
			if got := decoded(t, h, fieldName); got != c.want {
				t.Errorf("reads as %q, want %q\n%s", got, c.want, h.Bytes())
			}
			checkWire(t, h)
		})
	}
}

// checkWire insists on ASCII, short lines around encoded words and no line of
// white space only, by reading the header again.
func checkWire(t *testing.T, h *Header) {
	t.Helper()
	out := string(h.Bytes())
	if has8Bit(out) {
		t.Errorf("not ASCII: %q", out)
	}
	if again := string(mustRead(t, out).Bytes()); again != out {
		t.Errorf("%q reads back as %q", out, again)
	}
	for line := range strings.SplitSeq(out, "\r\n") {
		start := strings.Index(line, "=?")
		if start >= 0 && len(strings.Fields(line[start:])[0]) > 75 {
			t.Errorf("an encoded word is too long: %q", line)
		}
	}
	if !strings.HasSuffix(out, "X-Other: as it was  \r\n\r\n") {
		t.Errorf("another field was touched: %q", out)
	}
}

func TestEncodeRawAddresses(t *testing.T) {
	cases := map[string]struct {
		in string
		// want is each mailbox as "name|address".
		want []string
	}{
		"name":           {"From: Jörg <j@b.example>", []string{"Jörg|j@b.example"}},
		"windows-1252":   {"From: J\xf6rg <j@b.example>", []string{"Jörg|j@b.example"}},
		"two words":      {"From: Jörg Müller <j@b.example>", []string{"Jörg Müller|j@b.example"}},
		"ASCII word too": {"From: Jörg Q Müller <j@b.example>", []string{"Jörg Q Müller|j@b.example"}},
		"quoted":         {`From: "Müller, Jörg" <j@b.example>`, []string{"Müller, Jörg|j@b.example"}},
		"quoted pair":    {`From: "Jörg \"J\" M" <j@b.example>`, []string{`Jörg "J" M|j@b.example`}},
		"hidden address": {`From: "ü\" <x@y.example>" <j@b.example>`, []string{`ü" <x@y.example>|j@b.example`}},
		"list": {"To: a@b.example, Jörg <j@b.example>,\r\n \"A, B\" <c@d.example>, \"é\" <e@f.example>",
			[]string{"|a@b.example", "Jörg|j@b.example", "A, B|c@d.example", "é|e@f.example"}},
		"group":   {"To: Bücher: a@b.example, é <e@f.example>;, g@h.example", []string{"|a@b.example", "é|e@f.example", "|g@h.example"}},
		"comment": {"Cc: a@b.example (Jörg)", []string{"Jörg|a@b.example"}},
		"long list": {"To: é <e@ffffffffffffff.example>" + strings.Repeat(", x <a@bbbbbbbbbbbbbbbb.example>", 30),
			append([]string{"é|e@ffffffffffffff.example"}, repeat("x|a@bbbbbbbbbbbbbbbb.example", 30)...)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := mustRead(t, c.in+"\r\nX-Other: as it was  \r\n\r\n")
			err := h.EncodeRaw(RawEncode, false)
			if err != nil {
				t.Fatal(err)
			}
			checkWire(t, h)
			fieldName, _, _ := strings.Cut(c.in, ":")
			value, _ := h.Value(fieldName)
			list, err := netmail.ParseAddressList(value)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			var got []string
			for _, a := range list {
				got = append(got, a.Name+"|"+a.Address)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("reads as %q, want %q\n%s", got, c.want, h.Bytes())
			}
		})
	}
}

// repeat returns s n times.
func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func TestEncodeRawRefuses(t *testing.T) {
	cases := map[string]struct {
		in   string
		mode Raw8Bit
		utf8 bool
		want string
	}{
		"mode refuse":                 {"Subject: ü", RawRefuse, false, ReasonRaw8Bit},
		"mode refuse, ASCII":          {"Subject: u", RawRefuse, false, ""},
		"local part":                  {"From: jörg@b.example", RawEncode, false, ReasonRaw8Bit},
		"local part in brackets":      {"From: J <jörg@b.example>", RawEncode, false, ReasonRaw8Bit},
		"domain":                      {"To: a@bücher.example", RawEncode, false, ReasonRaw8Bit},
		"second of a list":            {"To: a@b.example, é@f.example", RawEncode, false, ReasonRaw8Bit},
		"unclosed bracket":            {"To: é <a@b.example", RawEncode, false, ReasonRaw8Bit},
		"parameter":                   {"Content-Type: text/plain; name=ü", RawEncode, false, ReasonRaw8Bit},
		"Message-ID":                  {"Message-ID: <ü@x>", RawEncode, false, ReasonRaw8Bit},
		"List-Unsubscribe":            {"List-Unsubscribe: <mailto:ü@x>", RawEncode, false, ReasonRaw8Bit},
		"SMTPUTF8":                    {"From: jörg@b.example", RawRefuse, true, ""},
		"SMTPUTF8, but not UTF-8":     {"Subject: \xfc", RawEncode, true, ReasonRaw8Bit},
		"SMTPUTF8, not UTF-8 address": {"From: j\xf6@b.example", RawEncode, true, ReasonRaw8Bit},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := mustRead(t, c.in+"\r\n\r\n")
			err := h.EncodeRaw(c.mode, c.utf8)
			if got := fault.ReasonOf(err); got != c.want {
				t.Errorf("reason %q (%v), want %q", got, err, c.want)
			}
			if err == nil && string(h.Bytes()) != c.in+"\r\n\r\n" {
				t.Errorf("came out as %q", h.Bytes())
			}
		})
	}
}

func FuzzEncodeRaw(f *testing.F) {
	f.Add("Subject", "Gr\xfc\xdfe \xc3\xbc x")
	f.Add("From", "\"J\xc3\xb6rg, M\" (\xc3\xbc) <a@b.example>, x: \xc3\xa9;")
	f.Add("To", "é (x <a@b>")
	f.Fuzz(func(t *testing.T, name, body string) {
		h, _, err := ReadHeader(strings.NewReader(name+":"+body+"\r\n\r\n"), Limits{})
		if err != nil || h.EncodeRaw(RawEncode, false) != nil {
			return
		}
		out := string(h.Bytes())
		if has8Bit(out) {
			t.Fatalf("not ASCII: %q", out)
		}
		again, _, err := ReadHeader(strings.NewReader(out), Limits{})
		if err != nil {
			t.Fatalf("%q reads back as %v", out, err)
		}
		if len(again.fields) != len(h.fields) {
			t.Fatalf("%q has %d fields, not %d", out, len(again.fields), len(h.fields))
		}
	})
}

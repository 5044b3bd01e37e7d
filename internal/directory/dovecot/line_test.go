package dovecot

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// TestEscape: what goes in comes out, and is one field of one line.
func TestEscape(t *testing.T) {
	for _, text := range []string{"", "a", "\x00\x01\t\r\n", "\x01t", "a=b\x01", "ü\xff"} {
		field := escape(text)
		if strings.ContainsAny(field, "\x00\t\r\n") || unescape(field) != text {
			t.Errorf("%q is %q, and back %q", text, field, unescape(field))
		}
	}
	// As Dovecot 2.3.19 writes them.
	if got := escape("a\nb\tc\rd\x01e\x00"); got != "a\x01nb\x01tc\x01rd\x011e\x010" {
		t.Errorf("%q", got)
	}
	if got := unescape("a\x01xb\x01"); got != "axb" {
		t.Errorf("%q", got)
	}
}

// FuzzReply: no line of a server's does harm, and what is taken from one was in it.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"OK\t1\tuser=a@example.org\tplan=basic", "FAIL\t2\tuser=a\ttemp\tcode=temp_fail\treason=x", "CONT\t3\tPDE+", "CONT\t3", "OK\t1\tresp=dj14",
		"MECH\tPLAIN\tplaintext", "OK\t4294967296", "OK\t-1", "CONT\t1\t\x01", "OK\t1\tuser=a\x01tb\x01", "", "\t", "OK",
	} {
		f.Add([]byte(seed + "\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(text), maxReply)
		for {
			line, err := readLine(r)
			if err != nil {
				break
			}
			if len(line) >= maxReply || strings.Contains(line, "\n") {
				t.Errorf("a line of %d octets", len(line))
			}
			checkReply(t, line)
		}
		offered, err := readHandshake(bufio.NewReaderSize(bytes.NewReader(text), maxReply))
		if err == nil && !bytes.HasPrefix(text, []byte("VERSION\t1\t")) || err == nil && len(offered.offered) > maxMechanisms {
			t.Errorf("a handshake: %v, %v", offered, err)
		}
	})
}

func checkReply(t *testing.T, line string) {
	t.Helper()
	id, r, ok, err := parseReply(line)
	if !ok || err != nil {
		return
	}
	if start := strings.SplitN(line, "\t", 3); unescape(start[0]) != [...]string{"CONT", "OK", "FAIL"}[r.verb] || strings.TrimLeft(unescape(start[1]), "0") != strings.TrimLeft(decimal(id), "0") {
		t.Errorf("%q is %d, %+v", line, id, r)
	}
	if r.verb == goesOn && r.data == nil || r.verb != goesOn && r.fields == nil || len(r.data) > len(line) {
		t.Errorf("%q is %+v", line, r)
	}
	for name, value := range r.fields {
		if len(name)+len(value) > len(line) {
			t.Errorf("%q has %q=%q", line, name, value)
		}
	}
	if r.verb == isOver {
		if refusal(r.fields) == nil {
			t.Errorf("%q is no refusal", line)
		}
		return
	}
	d := &Dovecot{opt: Options{Plan: "plan", Aliases: "aliases"}}
	if a, err := d.accountOf(r.fields); r.verb == isDone && err == nil && (!a.Verified || a.Login == "") {
		t.Errorf("%q lets in %+v", line, a)
	}
}

package message

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

// vector is one line of testdata/ambiguous.txt.
type vector struct {
	line         int
	want, header string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/ambiguous.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		want, quoted, _ := strings.Cut(line, " ")
		header, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if !strings.HasPrefix(header, "From:") {
			header = "From: <joe@cust.example>\r\n" + header
		}
		out = append(out, vector{line: i + 1, want: want, header: header})
	}
	return out
}

// verdict is what becomes of a header by default: "ok", or a reason.
func verdict(text string) string {
	h, _, err := ReadHeader(strings.NewReader(text), Limits{})
	if err == nil {
		err = h.Check(100)
	}
	if err == nil {
		err = h.EncodeRaw(RawEncode, false)
	}
	if err == nil {
		_, err = h.Senders()
	}
	if err != nil {
		return fault.ReasonOf(err)
	}
	return "ok"
}

// TestAmbiguous: what a filter and a reader could see differently is refused,
// what merely looks like it is not.
func TestAmbiguous(t *testing.T) {
	for _, v := range vectors(t) {
		if got := verdict(v.header + "\r\n\r\n"); got != v.want {
			t.Errorf("line %d: %q: %s, want %s", v.line, v.header, got, v.want)
		}
	}
}

// TestInnocentStaysInnocent: what has been encoded by us is
// judged no differently by the next who reads it.
func TestInnocentStaysInnocent(t *testing.T) {
	for _, v := range vectors(t) {
		h, _, err := ReadHeader(strings.NewReader(v.header+"\r\n\r\n"), Limits{})
		if err != nil || v.want != "ok" {
			continue
		}
		if err := h.EncodeRaw(RawEncode, false); err != nil {
			t.Errorf("line %d: %v", v.line, err)
			continue
		}
		if got := verdict(string(h.Bytes())); got != "ok" {
			t.Errorf("line %d: encoded as %q it is %s", v.line, h.Bytes(), got)
		}
	}
}

// TestCheckIsLinear: no header makes the check slow. Each of these took
// minutes at 4 MiB with a search for the end of each word or name.
func TestCheckIsLinear(t *testing.T) {
	limits := Limits{MaxBytes: 4 << 20, MaxLine: 4 << 20}
	for _, field := range []string{
		"Subject: " + strings.Repeat("=?a?q?x", 500_000),
		"From: " + strings.Repeat("=?a?q?x", 500_000) + " <joe@cust.example>",
		"Content-Type: text/plain" + strings.Repeat(";", 3_500_000),
		"Content-Type: text/plain" + strings.Repeat(";a", 1_500_000),
	} {
		text := field + "\r\n\r\n"
		if !strings.HasPrefix(field, "From:") {
			text = "From: <joe@cust.example>\r\n" + text
		}
		h, _, err := ReadHeader(strings.NewReader(text), limits)
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		err = h.Check(100)
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%.40q takes %v (%v)", field, took, err)
		}
	}
}

func FuzzAmbiguous(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		h, _, err := ReadHeader(strings.NewReader(header+"\r\n\r\n"), Limits{})
		if err != nil || h.Check(100) != nil || h.EncodeRaw(RawEncode, false) != nil {
			return
		}
		// What leaves is fit to arrive.
		text := string(h.Bytes())
		again, _, err := ReadHeader(strings.NewReader(text), Limits{})
		if err != nil {
			t.Fatalf("%q left as %q, which reads as %v", header, text, err)
		}
		if err := again.Check(100); err != nil {
			t.Fatalf("%q left as %q, which is refused: %v", header, text, err)
		}
	})
}

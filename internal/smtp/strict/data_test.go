package strict

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/smtp"
)

// pieces are the sizes of the reads that each case is tried with.
var pieces = map[string][]int{"whole": nil, "by octet": {1}, "by two": {2}, "by three": {3}, "mixed": {5, 1, 2}}

// readData reads a message, drains it, and returns what Read gave, the reason
// of its error ("" for none), and the line after the message.
func readData(t *testing.T, input string, sizes []int, o DataOptions) (body string, reason smtp.Reason, next string) {
	t.Helper()
	r := NewReader(&inPieces{s: input, sizes: sizes}, 0)
	d := r.Data(o)
	got, err := io.ReadAll(d)
	var violation *DataError
	if errors.As(err, &violation) {
		reason = violation.Reason
		if _, again := d.Read(make([]byte, 1)); again != err {
			t.Errorf("violation %v does not stick: %v", err, again)
		}
	} else if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := d.Drain(); err != nil {
		t.Fatalf("drain: %v", err)
	}
	if !d.Done() {
		t.Error("not done after drain")
	}
	line, err := r.ReadLine(512)
	if err != nil {
		t.Fatalf("next line: %v", err)
	}
	return string(got), reason, string(line)
}

func TestDataUnstuffing(t *testing.T) {
	cases := []struct{ name, input, want string }{
		{"empty", ".\r\n", ""},
		{"one line", "Hello\r\n.\r\n", "Hello\r\n"},
		{"blank lines", "\r\n\r\n.\r\n", "\r\n\r\n"},
		{"stuffed dot", "..\r\n.\r\n", ".\r\n"},
		{"stuffed dots", "...a\r\n..b\r\n.\r\n", "..a\r\n.b\r\n"},
		{"unstuffed dot", ".a\r\n.\r\n", "a\r\n"},
		{"dot within a line", "a.b.\r\n.\r\n", "a.b.\r\n"},
		{"dot before a blank", ". \r\n.\r\n", " \r\n"},
		{"8-bit", "Gr\xfc\xdfe \xc3\xbc\r\n.\r\n", "Gr\xfc\xdfe \xc3\xbc\r\n"},
		{"longest line", strings.Repeat("a", 998) + "\r\n.\r\n", strings.Repeat("a", 998) + "\r\n"},
		{"longest line, stuffed", "." + strings.Repeat(".", 998) + "\r\n.\r\n", strings.Repeat(".", 998) + "\r\n"},
		{"larger than the buffer", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 100) + ".\r\n", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 100)},
	}
	for _, c := range cases {
		for name, sizes := range pieces {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				body, reason, next := readData(t, c.input+"QUIT\r\n", sizes, DataOptions{MaxLine: MaxTextLine})
				if body != c.want || reason != "" || next != "QUIT" {
					t.Errorf("body %q, reason %q, next %q", body, reason, next)
				}
			})
		}
	}
}

// Every mixture of CR, LF and dot that some server has taken for the end of a
// message (SMTP smuggling, December 2023, and what followed it), with a
// message behind it. None may end the message, and the smuggled command
// must be swallowed with it.
func TestDataSmuggling(t *testing.T) {
	ends := []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n",
		"\r\r.\r\r", "\r\r\n.\r\r\n", "\n\r.\n\r", "\n\r.\r\n", "\r\n.\n\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\x00\n",
		"\r\n.\r\r\n", "\r\n\r.\r\n", "\n\n.\n\n", "\r\n.\r.\r\n", "\r\r\n.\r\n\x00", "\n..\n", "\r..\r", "\x00\r.\r\n", "\r\x00\n.\r\n", "\x85.\x85\r\r\n",
	}
	const smuggled = "MAIL FROM:<admin@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: forged\r\n\r\nforged"
	for _, end := range ends {
		for name, sizes := range pieces {
			t.Run(strings.Trim(quoteASCII(end), `"`)+"/"+name, func(t *testing.T) {
				before, _, hasEnd := strings.Cut(end, "\r\n.\r\n")
				if hasEnd { // a true end, after something that is none
					body, reason, _ := readData(t, "Hello"+before+"\r\n.\r\nQUIT\r\n", sizes, DataOptions{})
					if reason == "" {
						t.Errorf("accepted %q", body)
					}
					return
				}
				body, reason, next := readData(t, "Subject: a\r\n\r\nHello"+end+smuggled+"\r\n.\r\nQUIT\r\n", sizes, DataOptions{})
				if reason != smtp.EDataBareCR && reason != smtp.EDataBareLF && reason != smtp.EDataNUL {
					t.Errorf("reason %q, body %q", reason, body)
				}
				if next != "QUIT" {
					t.Errorf("after the message comes %q", next)
				}
				if strings.Contains(body, "MAIL FROM") {
					t.Errorf("body %q was handed on past the violation", body)
				}
			})
		}
	}
}

func quoteASCII(s string) string {
	return strings.NewReplacer("\r", "CR", "\n", "LF", "\x00", "NUL", "\x85", "NEL").Replace(s)
}

func TestDataViolations(t *testing.T) {
	line := strings.Repeat("a", 998)
	cases := []struct {
		name, input string
		options     DataOptions
		reason      smtp.Reason
	}{
		{"bare LF", "a\nb\r\n.\r\n", DataOptions{}, smtp.EDataBareLF},
		{"bare LF first", "\nb\r\n.\r\n", DataOptions{}, smtp.EDataBareLF},
		{"bare CR", "a\rb\r\n.\r\n", DataOptions{}, smtp.EDataBareCR},
		{"CR CR LF", "a\r\r\n.\r\n", DataOptions{}, smtp.EDataBareCR},
		{"NUL", "a\x00b\r\n.\r\n", DataOptions{}, smtp.EDataNUL},
		{"long line", line + "a\r\n.\r\n", DataOptions{MaxLine: 998}, smtp.EDataLineTooLong},
		{"long line let through", line + "a\r\n.\r\n", DataOptions{}, ""},
		{"just fits", "12345678\r\n.\r\n", DataOptions{MaxBytes: 10}, ""},
		{"too large", "123456789\r\n.\r\n", DataOptions{MaxBytes: 10}, smtp.EMessageTooLarge},
		{"the dot does not count", "..2345678\r\n.\r\n", DataOptions{MaxBytes: 10}, ""},
		{"first of two", "a\rb\n\r\n.\r\n", DataOptions{}, smtp.EDataBareCR},
		{"first of two, other way", "a\n\rb\r\n.\r\n", DataOptions{}, smtp.EDataBareLF},
		{"stuffed line with LF alone", ".\na\r\n.\r\n", DataOptions{}, smtp.EDataBareLF},
	}
	for _, c := range cases {
		for name, sizes := range pieces {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				_, reason, next := readData(t, c.input+"NOOP\r\n", sizes, c.options)
				if reason != c.reason || next != "NOOP" {
					t.Errorf("reason %q, next %q", reason, next)
				}
			})
		}
	}
}

func TestDataErrorNamesTheLimit(t *testing.T) {
	d := NewReader(strings.NewReader("12345678901\r\n.\r\n"), 0).Data(DataOptions{MaxBytes: 10})
	_, err := io.ReadAll(d)
	if got := smtp.ReplyFor(err).Error(); got != "552 5.3.4 The message is too large (at most 10 octets); send a smaller one." {
		t.Error(got)
	}
	if d.Violation() != err {
		t.Errorf("violation %v, error %v", d.Violation(), err)
	}
}

func TestDataSize(t *testing.T) {
	d := NewReader(strings.NewReader("..a\r\nb\r\n.\r\n"), 0).Data(DataOptions{})
	if _, err := io.ReadAll(d); err != nil || d.Size() != 7 || d.Violation() != nil {
		t.Errorf("%v, size %d", err, d.Size())
	}
}

// A message that is not read at all is drained, and its faults are known.
func TestDrainWithoutRead(t *testing.T) {
	r := NewReader(strings.NewReader("a\nb\r\n.\r\nQUIT\r\n"), 0)
	d := r.Data(DataOptions{})
	if err := d.Drain(); err != nil || !d.Done() {
		t.Fatal(err)
	}
	var violation *DataError
	if !errors.As(d.Violation(), &violation) || violation.Reason != smtp.EDataBareLF {
		t.Error(d.Violation())
	}
	if line, err := r.ReadLine(512); err != nil || string(line) != "QUIT" {
		t.Errorf("%q, %v", line, err)
	}
	if n, err := d.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("read after drain: %d, %v", n, err)
	}
}

func TestDrainLimit(t *testing.T) {
	r := NewReader(strings.NewReader(strings.Repeat("a line\r\n", 200)+".\r\nQUIT\r\n"), 0)
	d := r.Data(DataOptions{MaxBytes: 10, MaxDrain: 1000})
	if _, err := io.ReadAll(d); err == nil {
		t.Fatal("accepted")
	}
	if err := d.Drain(); err != ErrDrainLimit || d.Done() {
		t.Error(err)
	}
	if line, err := r.ReadLine(512); err != ErrDrainLimit {
		t.Errorf("the rest of a body became the command %q, %v", line, err)
	}
}

// The message's end cut off at any place is never a whole message.
func TestDataCutOff(t *testing.T) {
	const input = "Subject: a\r\n\r\n..body\r\n.\r\n"
	for n := range len(input) {
		r := NewReader(strings.NewReader(input[:n]), 0)
		d := r.Data(DataOptions{})
		if _, err := io.ReadAll(d); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", input[:n], err)
		}
		if err := d.Drain(); err != io.ErrUnexpectedEOF || d.Done() {
			t.Errorf("%q: drain %v", input[:n], err)
		}
	}
}

// A small p, and what has arrived before more is waited for.
func TestDataDoesNotWaitForMore(t *testing.T) {
	d := NewReader(&flaky{[]any{"one\r\ntwo\r\n.", "\r\n"}}, 0).Data(DataOptions{})
	p := make([]byte, 100)
	n, err := d.Read(p)
	if string(p[:n]) != "one\r\ntwo\r\n" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	if n, err := d.Read(p); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := d.Read(nil); n != 0 || err != nil {
		t.Errorf("empty read: %d, %v", n, err)
	}
}

func TestChunks(t *testing.T) {
	cases := []struct {
		name    string
		chunks  []string
		options DataOptions
		reason  smtp.Reason
		inLine  bool
	}{
		{"one", []string{"a\r\nb\r\n"}, DataOptions{}, "", false},
		{"dots mean nothing", []string{"..\r\n.\r\n", "b\r\n"}, DataOptions{}, "", false},
		{"CRLF over a border", []string{"a\r", "\nb\r\n"}, DataOptions{}, "", false},
		{"CR over a border", []string{"a\r", "b\r\n"}, DataOptions{}, smtp.EDataBareCR, false},
		{"LF after a border", []string{"a", "\nb\r\n"}, DataOptions{}, smtp.EDataBareLF, false},
		{"CR at the end", []string{"a\r"}, DataOptions{}, smtp.EDataBareCR, true},
		{"no CRLF at the end", []string{"a\r\nb"}, DataOptions{}, "", true},
		{"line over a border", []string{"aaa", "aaa\r\n"}, DataOptions{MaxLine: 5}, smtp.EDataLineTooLong, false},
		{"size over a border", []string{"aaa\r\n", "aaa\r\n"}, DataOptions{MaxBytes: 9}, smtp.EMessageTooLarge, false},
		{"NUL", []string{"a\x00\r\n"}, DataOptions{}, smtp.EDataNUL, false},
		{"empty", []string{""}, DataOptions{}, "", false},
	}
	for _, c := range cases {
		for name, sizes := range pieces {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				r := NewReader(&inPieces{s: strings.Join(c.chunks, "") + "QUIT\r\n", sizes: sizes}, 0)
				checker := NewChunkChecker(c.options)
				var body []byte
				for _, chunk := range c.chunks {
					k := r.Chunk(int64(len(chunk)), checker)
					got, _ := io.ReadAll(k)
					body = append(body, got...)
					if err := k.Drain(); err != nil || !k.Done() {
						t.Fatal(err)
					}
				}
				var violation *DataError
				if err := checker.Finish(); err != nil && !errors.As(err, &violation) {
					t.Fatal(err)
				}
				reason := smtp.Reason("")
				if violation != nil {
					reason = violation.Reason
				} else if string(body) != strings.Join(c.chunks, "") || checker.InLine() != c.inLine {
					t.Errorf("body %q, in line: %v", body, checker.InLine())
				}
				if reason != c.reason || checker.Size() != int64(len(strings.Join(c.chunks, ""))) {
					t.Errorf("reason %q, size %d", reason, checker.Size())
				}
				if line, err := r.ReadLine(512); err != nil || string(line) != "QUIT" {
					t.Errorf("next %q, %v", line, err)
				}
			})
		}
	}
}

func TestChunkCutOffAndDrainLimit(t *testing.T) {
	r := NewReader(strings.NewReader("abc"), 0)
	k := r.Chunk(10, NewChunkChecker(DataOptions{}))
	if got, err := io.ReadAll(k); string(got) != "abc" || err != io.ErrUnexpectedEOF || k.Done() {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := r.ReadLine(512); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	r = NewReader(strings.NewReader("QUIT\r\n"), 0)
	if err := r.Chunk(1001, NewChunkChecker(DataOptions{MaxDrain: 1000})).Drain(); err != ErrDrainLimit {
		t.Error(err)
	}
	if _, err := r.ReadLine(512); err != ErrDrainLimit {
		t.Error(err)
	}
}

// FuzzData compares with a model that cuts at CRLF.CRLF, and where the input is
// strict with net/textproto, which then is right.
func FuzzData(f *testing.F) {
	f.Add([]byte("..a\r\nb\r\n.\r\nQUIT\r\n"), uint8(3), uint8(7), uint8(30))
	f.Add([]byte("a\n.\nMAIL\r\n.\r\n"), uint8(1), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, input []byte, piece, maxLine, maxBytes uint8) {
		o := DataOptions{MaxLine: int(maxLine), MaxBytes: int64(maxBytes)}
		r := NewReader(&inPieces{s: string(input), sizes: []int{int(piece)}}, 0)
		d := r.Data(o)
		body, err := io.ReadAll(d)
		drained := d.Drain()
		content, rest, complete := modelData(input)
		if !complete {
			if drained != io.ErrUnexpectedEOF || d.Done() {
				t.Fatalf("incomplete, but drain gives %v", drained)
			}
			return
		}
		if left, _ := io.ReadAll(r); drained != nil || !bytes.Equal(left, rest) {
			t.Fatalf("drain %v, left %q, want %q", drained, left, rest)
		}
		want := modelViolation(content, o)
		reason := smtp.Reason("")
		var violation *DataError
		if errors.As(err, &violation) {
			reason = violation.Reason
		}
		if reason != want || d.Size() != int64(len(content)) {
			t.Fatalf("reason %q, want %q, size %d", reason, want, d.Size())
		}
		if want != "" {
			if !bytes.HasPrefix(content, body) {
				t.Fatalf("body %q is no beginning of %q", body, content)
			}
			return
		}
		if !bytes.Equal(body, content) {
			t.Fatalf("body %q, want %q", body, content)
		}
		compareTextproto(t, input, body, rest)
	})
}

// modelData cuts the input at its end of data and unstuffs it.
func modelData(input []byte) (content, rest []byte, complete bool) {
	raw, rest, complete := bytes.Cut(append([]byte("\r\n"), input...), []byte("\r\n.\r\n"))
	content = bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n"))
	if len(raw) == 0 {
		return nil, rest, complete
	}
	return append(content[2:], "\r\n"...), rest, complete
}

// modelViolation finds the first thing wrong with content, octet by octet.
func modelViolation(content []byte, o DataOptions) smtp.Reason {
	line := 0
	for i, b := range content {
		afterCR := i > 0 && content[i-1] == '\r'
		switch {
		case o.MaxBytes > 0 && int64(i+1) > o.MaxBytes:
			return smtp.EMessageTooLarge
		case b == '\n' && !afterCR:
			return smtp.EDataBareLF
		case b != '\n' && afterCR:
			return smtp.EDataBareCR
		case b == 0:
			return smtp.EDataNUL
		}
		if b == '\n' {
			line = 0
		} else if b != '\r' {
			line++
		}
		if o.MaxLine > 0 && line > o.MaxLine {
			return smtp.EDataLineTooLong
		}
	}
	return ""
}

// compareTextproto checks strict input against the standard library, which
// turns CRLF into LF.
func compareTextproto(t *testing.T, input, body, rest []byte) {
	t.Helper()
	source := bufio.NewReader(bytes.NewReader(input))
	got, err := io.ReadAll(textproto.NewReader(source).DotReader())
	if err != nil {
		t.Fatalf("textproto: %v", err)
	}
	if !bytes.Equal(got, bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))) {
		t.Fatalf("textproto reads %q, we %q", got, body)
	}
	if left, _ := io.ReadAll(source); !bytes.Equal(left, rest) {
		t.Fatalf("textproto leaves %q, we %q", left, rest)
	}
}

// TestViolationsAreAnswered asks what a client hears of what the readers find.
func TestViolationsAreAnswered(t *testing.T) {
	tooLarge := fault.Wrap("x", fault.Internal, &DataError{Reason: smtp.EMessageTooLarge, Detail: "10"})
	if got, want := smtp.ReplyFor(tooLarge), smtp.Refusal(smtp.EMessageTooLarge, "10"); got != want {
		t.Errorf("content: %v, want %v", got, want)
	}
	if got, want := smtp.ReplyFor(ErrBareLF), smtp.Refusal(smtp.EBareLF, ""); got != want {
		t.Errorf("line: %v, want %v", got, want)
	}
}

package strict

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// inPieces hands out s in reads of the given sizes, over and over.
type inPieces struct {
	s     string
	sizes []int
	turn  int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if p.s == "" {
		return 0, io.EOF
	}
	n := len(p.s)
	if len(p.sizes) > 0 {
		n = max(1, p.sizes[p.turn%len(p.sizes)])
		p.turn++
	}
	n = copy(b[:min(len(b), n)], p.s)
	p.s = p.s[n:]
	return n, nil
}

func TestReadLine(t *testing.T) {
	const limit = 20
	fits := strings.Repeat("a", limit-2)
	flood := strings.Repeat("f", maxSkip+2*minBuffer)
	cases := []struct {
		name, input string
		want        []string // lines, or errors in angle brackets
	}{
		{"lines", "EHLO a\r\nQUIT\r\n", []string{"EHLO a", "QUIT", "<EOF>"}},
		{"empty line", "\r\n\r\n", []string{"", "", "<EOF>"}},
		{"end within a line", "QUIT", []string{"<unexpected EOF>", "<unexpected EOF>"}},
		{"end after CR", "QUIT\r", []string{"<unexpected EOF>"}},
		{"longest", fits + "\r\nQUIT\r\n", []string{fits, "QUIT"}},
		{"one octet too long", fits + "a\r\nQUIT\r\n", []string{"<smtp: line-too-long>", "QUIT"}},
		{"much too long", flood[:3000] + "\r\nQUIT\r\n", []string{"<smtp: line-too-long>", "QUIT"}},
		{"endless", flood + "\r\nQUIT\r\n", []string{"<smtp: line-too-long>", "<smtp: line-too-long>"}},
		{"bare LF", "EHLO a\nQUIT\r\n", []string{"<smtp: bare-lf>", "<smtp: bare-lf>"}},
		{"bare LF first", "\nQUIT\r\n", []string{"<smtp: bare-lf>", "<smtp: bare-lf>"}},
		{"bare CR", "EHLO a\rQUIT\r\nNOOP\r\n", []string{"<smtp: bare-cr>", "<smtp: bare-cr>"}},
		{"CR CR LF", "QUIT\r\r\nNOOP\r\n", []string{"<smtp: bare-cr>", "<smtp: bare-cr>"}},
		{"LF CR", "QUIT\n\rNOOP\r\n", []string{"<smtp: bare-lf>", "<smtp: bare-lf>"}},
		{"bare LF in a long line", fits + fits + "\nRCPT\r\nQUIT\r\n", []string{"<smtp: bare-lf>", "<smtp: bare-lf>"}},
		{"bare CR in a long line", fits + fits + "\rRCPT\r\nQUIT\r\n", []string{"<smtp: line-too-long>", "QUIT"}},
		{"end in a long line", fits + fits, []string{"<unexpected EOF>"}},
		{"NUL", "EHLO \x00a\r\nQUIT\r\n", []string{"<smtp: nul>", "QUIT"}},
		{"not ASCII", "EHLO \xff\r\n", []string{"EHLO \xff"}},
	}
	for _, c := range cases {
		for name, sizes := range map[string][]int{"whole": nil, "by octet": {1}, "by three": {3}} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				r := NewReader(&inPieces{s: c.input, sizes: sizes}, 0)
				for i, want := range c.want {
					line, err := r.ReadLine(limit)
					got := string(line)
					if err != nil {
						got = "<" + err.Error() + ">"
					}
					if got != want {
						t.Fatalf("line %d: got %q, want %q", i, got, want)
					}
				}
			})
		}
	}
}

// Which errors let a session go on is told apart by identity.
func TestLineErrorsAreTyped(t *testing.T) {
	cases := []struct {
		input string
		want  *LineError
		fatal bool
	}{
		{strings.Repeat("a", 600) + "\r\n", ErrLineTooLong, false},
		{strings.Repeat("a", maxSkip*2), ErrLineEndless, true},
		{"a\x00\r\n", ErrNUL, false},
		{"a\n", ErrBareLF, true},
		{"a\rb\r\n", ErrBareCR, true},
	}
	for _, c := range cases {
		_, err := NewReader(strings.NewReader(c.input), 0).ReadLine(512)
		var le *LineError
		if !errors.As(err, &le) || !errors.Is(err, c.want) || le.Fatal != c.fatal {
			t.Errorf("%.20q: %v", c.input, err)
		}
	}
}

func TestReadLineThroughALargerBuffer(t *testing.T) {
	const limit = 12288
	long := strings.Repeat("A", limit-2)
	r := NewReader(&inPieces{s: long + "\r\nNOOP\r\nQUIT\r\n", sizes: []int{700}}, 1024)
	line, err := r.ReadLine(limit)
	if err != nil || string(line) != long {
		t.Fatalf("%d octets, %v", len(line), err)
	}
	for _, want := range []string{"NOOP", "QUIT"} {
		if line, err := r.ReadLine(512); err != nil || string(line) != want {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	if _, err := r.ReadLine(512); err != io.EOF || len(r.buf) != 1024 {
		t.Errorf("%v, buffer of %d", err, len(r.buf))
	}
}

// RFC 5321 section 4.5.3.1.4 is about the line, not about what follows it in
// the buffer.
func TestReadLineLimitIgnoresWhatFollows(t *testing.T) {
	r := NewReader(strings.NewReader("NOOP\r\n"+strings.Repeat("b", 400)), 0)
	if line, err := r.ReadLine(10); err != nil || string(line) != "NOOP" {
		t.Errorf("%q, %v", line, err)
	}
}

// flaky gives data, one error, and then more data that must never be seen.
type flaky struct{ turns []any }

func (f *flaky) Read(p []byte) (int, error) {
	turn := f.turns[0]
	f.turns = f.turns[1:]
	if err, bad := turn.(error); bad {
		return 0, err
	}
	return copy(p, turn.(string)), nil
}

func TestAReadErrorEndsAll(t *testing.T) {
	source := func() *Reader {
		return NewReader(&flaky{[]any{"body\r\n", iotest.ErrTimeout, "QUIT\r\n"}}, 0)
	}
	t.Run("in a command", func(t *testing.T) {
		r := source()
		r.ReadLine(512)
		for range 2 {
			if line, err := r.ReadLine(512); err != iotest.ErrTimeout {
				t.Errorf("%q, %v", line, err)
			}
		}
	})
	t.Run("in data", func(t *testing.T) {
		r := source()
		d := r.Data(DataOptions{})
		if _, err := io.ReadAll(d); err != iotest.ErrTimeout {
			t.Error(err)
		}
		if err := d.Drain(); err != iotest.ErrTimeout || d.Done() {
			t.Error("drain", err)
		}
		if line, err := r.ReadLine(512); err != iotest.ErrTimeout {
			t.Errorf("the rest of a body became the command %q, %v", line, err)
		}
	})
	t.Run("in a drain", func(t *testing.T) {
		r := source()
		if err := r.Data(DataOptions{}).Drain(); err != iotest.ErrTimeout {
			t.Error(err)
		}
		if line, err := r.ReadLine(512); err != iotest.ErrTimeout {
			t.Errorf("the rest of a body became the command %q, %v", line, err)
		}
	})
	t.Run("in a chunk", func(t *testing.T) {
		r := source()
		k := r.Chunk(100, NewChunkChecker(DataOptions{}))
		if _, err := io.ReadAll(k); err != iotest.ErrTimeout {
			t.Error(err)
		}
		if err := k.Drain(); err != iotest.ErrTimeout {
			t.Error("drain", err)
		}
		if line, err := r.ReadLine(512); err != iotest.ErrTimeout {
			t.Errorf("the rest of a chunk became the command %q, %v", line, err)
		}
	})
	t.Run("a peek may time out", func(t *testing.T) {
		r := NewReader(&flaky{[]any{iotest.ErrTimeout, "QUIT\r\n"}}, 0)
		if _, err := r.Peek(1); err != iotest.ErrTimeout {
			t.Error(err)
		}
		if line, err := r.ReadLine(512); err != nil || string(line) != "QUIT" {
			t.Errorf("%q, %v", line, err)
		}
	})
}

func TestPeekBufferedReset(t *testing.T) {
	r := NewReader(strings.NewReader("\x16\x03\x01abc"), 0)
	if r.Buffered() != 0 {
		t.Error("something is buffered before the first read")
	}
	if head, err := r.Peek(3); err != nil || string(head) != "\x16\x03\x01" {
		t.Errorf("%q, %v", head, err)
	}
	if r.Buffered() != 6 {
		t.Errorf("%d buffered", r.Buffered())
	}
	if head, err := r.Peek(7); err != io.EOF || len(head) != 6 {
		t.Errorf("%q, %v", head, err)
	}
	if _, err := r.Peek(minBuffer + 1); err != io.ErrShortBuffer {
		t.Error(err)
	}
	r.Reset(strings.NewReader("QUIT\r\n"))
	if r.Buffered() != 0 {
		t.Error("old octets survive Reset")
	}
	if line, err := r.ReadLine(512); err != nil || string(line) != "QUIT" {
		t.Errorf("%q, %v", line, err)
	}
	if _, err := NewReader(emptySource{}, 0).ReadLine(512); err != io.ErrNoProgress {
		t.Error(err)
	}
}

// emptySource returns nothing, for ever.
type emptySource struct{}

func (emptySource) Read([]byte) (int, error) { return 0, nil }

// again repeats one piece of text without end.
type again struct {
	text []byte
	at   int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.text[a.at:])
	a.at = (a.at + n) % len(a.text)
	return n, nil
}

func TestReadLineDoesNotAllocate(t *testing.T) {
	r := NewReader(&again{text: []byte("MAIL FROM:<a@example.org>\r\nbad\x00\r\n" + strings.Repeat("l", 70) + "\r\n")}, 4096)
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := r.ReadLine(64); err != nil && err != ErrNUL && err != ErrLineTooLong {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per line", allocs)
	}
}

func BenchmarkReadLine(b *testing.B) {
	line := []byte("RCPT TO:<somebody@example.org> NOTIFY=NEVER\r\n")
	r := NewReader(&again{text: line}, 4096)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadLine(512); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkData(b *testing.B) {
	message := []byte(strings.Repeat(strings.Repeat("a line of text ", 5)+"\r\n", 850) + ".\r\n")
	source := &again{text: message}
	r := NewReader(source, 4096)
	p := make([]byte, 32<<10)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		d := r.Data(DataOptions{MaxBytes: 1 << 20, MaxLine: MaxTextLine})
		for err := error(nil); err != io.EOF; {
			if _, err = d.Read(p); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
	}
}

// FuzzReadLine compares with the obvious: cut at the first line feed.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("EHLO a\r\nQUIT\r\n"), uint16(512), uint8(3))
	f.Add([]byte("MAIL\nRCPT\r\n"), uint16(4), uint8(1))
	f.Fuzz(func(t *testing.T, input []byte, limit uint16, piece uint8) {
		if len(input) > maxSkip/2 {
			return // the bound on skipping is tested in the table
		}
		r := NewReader(&inPieces{s: string(input), sizes: []int{int(piece)}}, 0)
		rest := input
		for {
			line, err := r.ReadLine(int(limit))
			want, after, wantErr := modelLine(rest, int(limit))
			if err != wantErr || !bytes.Equal(line, want) {
				t.Fatalf("got %q, %v; want %q, %v", line, err, want, wantErr)
			}
			if le, own := err.(*LineError); err != nil && (!own || le.Fatal) {
				return
			}
			rest = after
		}
	})
}

// modelLine says what ReadLine shall say of input.
func modelLine(input []byte, limit int) (line, rest []byte, err error) {
	if len(input) == 0 {
		if limit == 0 {
			return nil, nil, io.ErrUnexpectedEOF // any line is too long: its end is awaited
		}
		return nil, nil, io.EOF
	}
	line, rest, found := bytes.Cut(input, []byte("\n"))
	text, isCRLF := bytes.CutSuffix(line, []byte("\r"))
	switch {
	case !found:
		return nil, nil, io.ErrUnexpectedEOF
	case len(line)+1 > limit && isCRLF:
		return nil, rest, ErrLineTooLong
	case len(line)+1 > limit:
		return nil, nil, ErrBareLF
	case bytes.Contains(text, []byte("\r")):
		return nil, nil, ErrBareCR
	case !isCRLF:
		if bytes.Contains(line, []byte("\r")) {
			return nil, nil, ErrBareCR
		}
		return nil, nil, ErrBareLF
	case bytes.Contains(text, []byte{0}):
		return nil, rest, ErrNUL
	}
	return text, rest, nil
}

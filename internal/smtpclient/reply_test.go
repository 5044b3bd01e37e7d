package smtpclient

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReplyText(t *testing.T) {
	tests := []struct {
		wire string
		want Reply
	}{
		{"250 2.1.5 ok\r\n", Reply{250, "2.1.5", "ok"}},
		{"250\r\n", Reply{250, "", ""}},
		{"550 5.1.1\r\n", Reply{550, "5.1.1", ""}},
		{"550-5.1.1 who is\r\n550 5.1.1 that\r\n", Reply{550, "5.1.1", "who is that"}},
		{"550-first\r\n550 5.1.1 second\r\n", Reply{550, "", "first 5.1.1 second"}},
		{"550-5.1.1 first\r\n550 5.2.2 second\r\n", Reply{550, "5.1.1", "first 5.2.2 second"}},
		{"550 4.1.1 another class\r\n", Reply{550, "", "4.1.1 another class"}},
		{"550 5.1.1234 long\r\n", Reply{550, "", "5.1.1234 long"}},
		{"550 5.-1.1 sign\r\n", Reply{550, "", "5.-1.1 sign"}},
		{"550 5.1. x\r\n", Reply{550, "", "5.1. x"}},
		{"550 a\x1b[31m\x00b\xff \t c\u202e\r\n", Reply{550, "", "a?[31m?b? c?"}},
		{"550 " + strings.Repeat("ü", 900) + "\r\n", Reply{550, "", strings.Repeat("ü", 498) + "..."}},
	}
	for _, tt := range tests {
		raw, err := readReply(bufio.NewReaderSize(strings.NewReader(tt.wire), maxReplyLine))
		if got := raw.reply(); err != nil || got != tt.want {
			t.Errorf("%q = %+v, %v; want %+v", tt.wire, got, err, tt.want)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("250-2.1.5 a\r\n250 2.1.5 b\r\n"))
	f.Add([]byte("421 \xff\x00\r\n"))
	f.Add([]byte("550 5.1.1\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		raw, err := readReply(bufio.NewReaderSize(bytes.NewReader(wire), maxReplyLine))
		if err != nil {
			return
		}
		r := raw.reply()
		if r.Code < 200 || r.Code > 599 || len(r.Text) > maxText || !utf8.ValidString(r.Text) {
			t.Errorf("reply = %+v", r)
		}
		if strings.IndexFunc(r.Text, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
			t.Errorf("text %q is not printable", r.Text)
		}
	})
}

// FuzzStuffer checks that what is stuffed and undone is the same, in whatever
// pieces it is written, and that no end of a message stands inside.
func FuzzStuffer(f *testing.F) {
	f.Add([]byte(".\r\n.\r\n..a\r\n"), 1)
	f.Add([]byte("a\n.\r\nb"), 3)
	f.Add([]byte(""), 5)
	f.Fuzz(func(t *testing.T, content []byte, size int) {
		size = max(1, size%64)
		var wire bytes.Buffer
		w := bufio.NewWriter(&wire)
		s := &stuffer{w: w}
		for rest := content; len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		s.end()
		w.Flush()
		inside := bytes.TrimSuffix(wire.Bytes(), []byte(".\r\n"))
		if bytes.Contains(inside, []byte("\n.\r\n")) || bytes.Contains(inside, []byte("\n.\n")) || bytes.HasPrefix(inside, []byte(".\r\n")) {
			t.Errorf("%q holds an end of data", inside)
		}
		got := bytes.ReplaceAll(append([]byte("\n"), inside...), []byte("\n.."), []byte("\n."))[1:]
		want := content
		if len(want) > 0 && !bytes.HasSuffix(want, []byte("\r\n")) {
			want = append(append([]byte(nil), want...), "\r\n"...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStufferDoesNotAllocate(t *testing.T) {
	content := []byte(strings.Repeat(".a line\r\n", 1000))
	w := bufio.NewWriterSize(io.Discard, outBuffer)
	if n := testing.AllocsPerRun(20, func() {
		s := stuffer{w: w}
		s.Write(content) //nolint:errcheck // discarded
		s.end()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

package roster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/account/hash"
	"countersign/internal/fault"
)

// sha512 is a hash of "password".
const sha512 = "$6$saltstring$adDbXsJjcDlq2662QPgd.tkSOVmnG9Tt3oXl4HR60SusC3AGjirnDenVZp3DGwLwqy6iYKCzannhaX9DR72nN1"

// lister is either reader.
type lister interface{ Next() (Entry, error) }

// all reads a list to its end.
func all(t *testing.T, l lister) []Entry {
	t.Helper()
	var entries []Entry
	for {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if (e.Record == nil) == (e.Problem == "") {
			t.Fatalf("line %d is neither record nor problem, or both: %+v", e.Line, e)
		}
		entries = append(entries, e)
	}
}

// show writes an entry as one line for comparison.
func show(e Entry) string {
	if e.Record == nil {
		return fmt.Sprintf("%d: problem: %s", e.Line, e.Problem)
	}
	r := e.Record
	text := fmt.Sprintf("%d: %s", e.Line, r.Address)
	if r.Hash.Scheme() != "" {
		text += " " + r.Hash.Scheme()
	}
	if r.Password != "" {
		text += " password=" + r.Password
	}
	if len(r.Aliases) > 0 {
		text += fmt.Sprintf(" aliases=%v", r.Aliases)
	}
	if r.Plan != "" {
		text += " plan=" + r.Plan
	}
	if r.Suspended {
		text += " suspended"
	}
	if r.Note != "" {
		text += " note=" + r.Note
	}
	for _, remark := range r.Remarks {
		text += "; " + remark
	}
	return text
}

// want compares what is read line by line.
func want(t *testing.T, l lister, lines ...string) {
	t.Helper()
	entries := all(t, l)
	for i, e := range entries {
		if i >= len(lines) {
			t.Errorf("one more entry: %s", show(e))
		} else if got := show(e); got != lines[i] {
			t.Errorf("entry %d is\n %s, want\n %s", i+1, got, lines[i])
		}
	}
	if len(entries) < len(lines) {
		t.Errorf("%d entries, want %d", len(entries), len(lines))
	}
}

func TestPrintedRecordTellsNoSecret(t *testing.T) {
	e := all(t, newCSV(t, "address,password\na@example.org,secret words\n", Options{}))[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, *e.Record); got != "account a@example.org" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// brokenAfter gives text and then an error.
func brokenAfter(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("disk gone")))
}

func TestReadErrorEndsTheList(t *testing.T) {
	csv, err := NewCSV(brokenAfter("address,hash\na@example.org,"+sha512+"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := NewCSV(brokenAfter("address,hash\na@example.org,\"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list lister
		good int
	}{
		"passwd":     {NewPasswdFile(brokenAfter("a@example.org:"+sha512+"\n"), Options{}), 1},
		"half":       {NewPasswdFile(brokenAfter("a@example.org:"+sha512), Options{}), 0},
		"long":       {NewPasswdFile(brokenAfter(strings.Repeat("a", 2*MaxLine)), Options{}), 0},
		"csv":        {csv, 1},
		"csv quoted": {quoted, 0},
	} {
		for range c.good {
			if e, err := c.list.Next(); err != nil || e.Record == nil {
				t.Fatalf("%s: %v, %v", name, e, err)
			}
		}
		if e, err := c.list.Next(); !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "disk gone") {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if _, err := NewCSV(iotest.ErrReader(errors.New("disk gone")), Options{}); !fault.Is(err, fault.Internal) {
		t.Errorf("a list that cannot be read: %v", err)
	}
}

// endless repeats a text for ever and counts what is taken of it.
type endless struct {
	text  string
	taken int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		n += copy(b[n:], e.text[(e.taken+n)%len(e.text):])
	}
	e.taken += n
	return n, nil
}

// TestReadsNoFurtherThanItMust reads lists without end: each entry comes after
// a bounded read, and nothing is kept of those before.
func TestReadsNoFurtherThanItMust(t *testing.T) {
	const lines = 20_000
	passwd := &endless{text: "shop@example.org:" + sha512 + ":::::: userdb_mail=maildir:~/Maildir\n"}
	header := "address;hash\n"
	table := &endless{text: "shop@example.org;" + sha512 + "\n\"x\n"}
	csv, err := NewCSV(io.MultiReader(strings.NewReader(header), table), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list   lister
		source *endless
	}{"passwd": {NewPasswdFile(passwd, Options{}), passwd}, "csv": {csv, table}} {
		for i := range lines {
			e, err := c.list.Next()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// The second line of the table opens quotes that never end well.
			if bad := name == "csv" && i%2 == 1; bad == (e.Record != nil) {
				t.Fatalf("%s: %s", name, show(e))
			}
			if ahead := c.source.taken - (i+1)*len(c.source.text)/2; name == "csv" && ahead > 3*MaxLine {
				t.Fatalf("%s: read %d octets ahead", name, ahead)
			}
		}
		if most := lines*len(c.source.text) + 3*MaxLine; c.source.taken > most {
			t.Errorf("%s: read %d octets, %d are enough", name, c.source.taken, most)
		}
	}
	if kept := cap(csv.lines.back); kept > 10*maxRecordLines {
		t.Errorf("%d lines are kept", kept)
	}
}

func newCSV(t *testing.T, text string, o Options) *CSV {
	t.Helper()
	c, err := NewCSV(strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkPasswdFile(b *testing.B) {
	list := NewPasswdFile(&endless{text: "shop@example.org:{SHA512-CRYPT}" + sha512 + ":1000:1000::/home::userdb_mail=maildir:~\n"}, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if e, err := list.Next(); err != nil || e.Record == nil {
			b.Fatal(e, err)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	list, err := NewCSV(io.MultiReader(strings.NewReader("address,hash,plan\n"), &endless{text: "shop@example.org," + sha512 + ",\"big\"\n"}), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if e, err := list.Next(); err != nil || e.Record == nil {
			b.Fatal(e, err)
		}
	}
}

// checkEntry is what holds for each entry of any input.
func checkEntry(t *testing.T, e Entry, last int) {
	t.Helper()
	if e.Line <= last {
		t.Fatalf("line %d comes after line %d", e.Line, last)
	}
	if (e.Record == nil) == (e.Problem == "") {
		t.Fatalf("line %d is neither record nor problem, or both", e.Line)
	}
	if e.Record == nil {
		return
	}
	r := e.Record
	if r.Address.Domain == "" || len(r.Aliases) > MaxAliases || len(r.Plan) > MaxField || len(r.Note) > MaxField || len(r.Remarks) > 100 {
		t.Fatalf("line %d: out of bounds", e.Line)
	}
	if r.Password != "" && r.Hash.Scheme() != "" || len(r.Password) > hash.MaxPassword || strings.ContainsAny(r.Plan+r.Note+r.Password, "\r\n\t\x00") {
		t.Fatalf("line %d: %+v", e.Line, e)
	}
}

package table

import (
	"bytes"
	"testing"
	"time"
)

func TestCells(t *testing.T) {
	var out bytes.Buffer
	table := New(&out)
	table.Row("A", "B", "C")
	table.Row("x", "", "red \x1b[31m\ttab\u202e")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = "A  B  C\nx  -  red \ufffd[31m\ufffdtab\ufffd\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestList(t *testing.T) {
	type row struct {
		Name string `json:"name"`
	}
	heads := []string{"NAME", "LENGTH"}
	cells := func(r row) []string { return []string{r.Name, string(rune('0' + len(r.Name)))} }
	for _, c := range []struct {
		rows   []row
		asJSON bool
		want   string
	}{
		{nil, false, "NAME  LENGTH\n"},
		{nil, true, "[]\n"},
		{[]row{{"gold"}, {"x"}}, false, "NAME  LENGTH\ngold  4\nx     1\n"},
		{[]row{{"<a&b>"}}, true, "[\n  {\n    \"name\": \"<a&b>\"\n  }\n]\n"},
	} {
		var out bytes.Buffer
		if err := List(&out, c.asJSON, c.rows, heads, cells); err != nil || out.String() != c.want {
			t.Errorf("%v: %q, %v; want %q", c.rows, out.String(), err, c.want)
		}
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 5, time.FixedZone("", 3600))
	if got := Stamp(at); got != "2026-11-20 11:00:00Z" {
		t.Error(got)
	}
	if got := Stamp(time.Time{}); got != "" {
		t.Error(got)
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 10<<10 - 1: "10239 bytes", 10 << 10: "10 KiB", 530_000: "518 KiB", 10<<20 - 1: "10 MiB", 10 << 20: "10 MiB", 11<<30 + 1: "12 GiB", 9 << 40: "9216 GiB",
	} {
		if got := Octets(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

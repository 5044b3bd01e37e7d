package sqlite

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit/record"
)

// TestNoSearchReadsTheWholeRecord looks at the plan of every combination of
// what a search may ask for: an id or a range of seq, and for an account the
// index of accounts, leads to it, in order, whatever else is asked for.
func TestNoSearchReadsTheWholeRecord(t *testing.T) {
	s := openNew(t)
	address := mail.Address{Local: "a", Domain: "b.example"}
	asks := []func(*audit.Query){
		func(q *audit.Query) { q.Session = "x" },
		func(q *audit.Query) { q.Submission = "x" },
		func(q *audit.Query) { q.Login = "x" },
		func(q *audit.Query) { q.Kind = "delivery.*" },
		func(q *audit.Query) { q.Client = netip.MustParsePrefix("192.0.2.0/24") },
		func(q *audit.Query) { q.From, q.To = address, address },
		func(q *audit.Query) { q.Reason, q.Actor, q.Object = "x", "x", "x" },
		func(q *audit.Query) { q.Since = time.Now() },
		func(q *audit.Query) { q.Until = time.Now() },
		func(q *audit.Query) { q.AfterSeq, q.BeforeSeq = 5, 9 },
		func(q *audit.Query) { q.Newest = true },
	}
	for n := range 1 << len(asks) {
		var q audit.Query
		for i, ask := range asks {
			if n>>i&1 == 1 {
				ask(&q)
			}
		}
		within, want := &record.Span{First: 3, Last: 9}, "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
		switch {
		case q.ByID():
			within, want = nil, "SEARCH event USING INDEX event_s" // event_session or event_submission
		case q.Login != "":
			want = "SEARCH event USING INDEX event_login (<expr>=? AND login=? AND rowid>? AND rowid<?)"
		}
		text, args := record.SQL(newDialect(), &q, within)
		if plan := explain(t, s, text, args); !strings.HasPrefix(plan, want) || strings.Contains(plan, "\n") {
			t.Fatalf("%+v is answered by\n%s", q, plan)
		}
	}
	for text, want := range map[string]string{
		record.LastSeqSQL:             "SEARCH event",
		record.TimesSQL(newDialect()): "SEARCH event USING COVERING INDEX event_at (at>? AND at<?)",
	} {
		args := bind(time.Now(), time.Now())[:strings.Count(text, "?")]
		if plan := explain(t, s, text, args); plan != want {
			t.Errorf("%s is answered by\n%s", text, plan)
		}
	}
}

// TestSearchGoesOverWindows searches a record with events far apart.
func TestSearchGoesOverWindows(t *testing.T) {
	s := openNew(t)
	seqs := []int64{1, 1 << record.WindowBits, 1<<record.WindowBits + 1, 3<<record.WindowBits - 1, 3 << record.WindowBits, 7<<record.WindowBits + 1<<record.PartBits}
	for i, seq := range seqs {
		err := s.change(t.Context(), "test", func(t *tx) error {
			return t.Exec("INSERT INTO event SELECT ?, ?, 'x.y', '', '', 0, 'ann', '', '', '', 0, '', '', '', ''", bind(seq, int64(i)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(n int64) time.Time { return time.UnixMicro(n) }
	// What is read is bounded by the times.
	err := s.db.Read(t.Context(), "test", func(c *conn) error {
		within, err := record.SpanOf(t.Context(), c, newDialect(), &audit.Query{Since: at(2), Until: at(4), BeforeSeq: seqs[3]})
		if want := (record.Span{First: seqs[2], Last: seqs[3] - 1}); within != want {
			t.Errorf("times bound a search to %v", within)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		query audit.Query
		want  []int64
	}{
		"all":               {audit.Query{}, seqs},
		"of an account":     {audit.Query{Login: "ann"}, seqs},
		"the first three":   {audit.Query{Limit: 3}, seqs[:3]},
		"the last two":      {audit.Query{Limit: 2, Newest: true}, seqs[4:]},
		"the last of ann":   {audit.Query{Limit: 4, Newest: true, Login: "ann"}, seqs[2:]},
		"between":           {audit.Query{AfterSeq: seqs[1], BeforeSeq: seqs[5]}, seqs[2:5]},
		"in time":           {audit.Query{Since: at(2), Until: at(4)}, seqs[2:4]},
		"in time, of ann":   {audit.Query{Since: at(2), Until: at(4), Login: "ann"}, seqs[2:4]},
		"since":             {audit.Query{Since: at(3)}, seqs[3:]},
		"later than all":    {audit.Query{Since: at(6)}, nil},
		"after all":         {audit.Query{AfterSeq: seqs[5]}, nil},
		"nothing in a time": {audit.Query{Since: at(4), Until: at(2)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int64
			found, err := s.Search(t.Context(), c.query)
			for _, e := range found {
				got = append(got, e.Seq)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

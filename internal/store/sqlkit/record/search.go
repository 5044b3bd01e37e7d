package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
)

const (
	// PartBits is how many bits of seq count within a part of the index
	// event_login; see the schema.
	PartBits = 10
	// WindowBits is how many bits of seq count within a window: what is read in
	// one transaction, so that a long search does not keep the log from being
	// cleared for those who write.
	WindowBits = 16
)

// Span is a range of seq, both ends in it.
type Span struct{ First, Last int64 }

// defaultLimit is how many events a search without a limit returns.
const defaultLimit = 1000

// Find does what audit.Store says of Search, window by window where no index
// leads to what is wanted. As events only ever come at the end, several
// transactions see the same as one would.
func Find(ctx context.Context, b *sqlkit.Base, d *sqlkit.Dialect, q *audit.Query) ([]audit.Event, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	f := &finding{base: b, dialect: d, query: q}
	err := f.find(ctx)
	if q.Newest {
		slices.Reverse(f.events)
	}
	return f.events, err
}

func (f *finding) find(ctx context.Context) error {
	if f.query.ByID() {
		return f.read(ctx, func(c sqlkit.Reader) error { return f.collect(ctx, c, nil) })
	}
	var within Span
	err := f.read(ctx, func(c sqlkit.Reader) (err error) {
		within, err = SpanOf(ctx, c, f.dialect, f.query)
		return err
	})
	if err != nil {
		return err
	}
	windows := []Span{within}
	if f.query.Login == "" || f.dialect.Divided {
		windows = within.cut(WindowBits, f.query.Newest)
	}
	for _, w := range windows {
		if f.enough() {
			return nil
		}
		if err := f.read(ctx, func(c sqlkit.Reader) error { return f.window(ctx, c, w) }); err != nil {
			return err
		}
	}
	return nil
}

// read runs one transaction, which may be repeated.
func (f *finding) read(ctx context.Context, fn func(sqlkit.Reader) error) error {
	before := len(f.events)
	return f.base.Read(ctx, "audit.search", func(c sqlkit.Reader) error {
		f.events = f.events[:before]
		return fn(c)
	})
}

// LastSeqSQL is the range of a search that no time bounds.
const LastSeqSQL = "SELECT 1, coalesce(max(seq), 0) FROM event"

// TimesSQL is the range of one that times bound. It is answered by the index
// alone. The clock may have run backwards, so that both ends have to be
// looked for in all of it.
func TimesSQL(d *sqlkit.Dialect) string {
	return "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM event" + d.ByTime + " WHERE at >= ? AND at < ?"
}

// SpanOf returns where the events of a query are to be looked for.
func SpanOf(ctx context.Context, c sqlkit.Reader, d *sqlkit.Dialect, q *audit.Query) (w Span, err error) {
	text, args := LastSeqSQL, sqlkit.Values(nil)
	if !q.Since.IsZero() {
		until := q.Until
		if until.IsZero() {
			until = time.UnixMicro(math.MaxInt64)
		}
		text, args = TimesSQL(d), sqlkit.Bind(q.Since, until)
	}
	err = c.Query(ctx, text, args, func(r *sqlkit.Row) error {
		w = Span{r.Int64(), r.Int64()}
		return nil
	})
	w.First = max(w.First, q.AfterSeq+1)
	if q.BeforeSeq != 0 {
		w.Last = min(w.Last, q.BeforeSeq-1)
	}
	return w, err
}

// cut divides w where the bits above change.
func (w Span) cut(bits int, newestFirst bool) []Span {
	var all []Span
	for n := w.First >> bits; n <= w.Last>>bits; n++ {
		all = append(all, Span{max(w.First, n<<bits), min(w.Last, (n+1)<<bits-1)})
	}
	if newestFirst {
		slices.Reverse(all)
	}
	return all
}

// finding is a search under way.
type finding struct {
	base    *sqlkit.Base
	dialect *sqlkit.Dialect
	query   *audit.Query
	// events are in the order in which they were found: the newest first where
	// those are asked for.
	events []audit.Event
}

func (f *finding) enough() bool { return len(f.events) >= f.query.Limit }

// window searches one window: an account's events in one part of the index
// after the other, which is their order, any others by seq.
func (f *finding) window(ctx context.Context, c sqlkit.Reader, w Span) error {
	parts := []Span{w}
	if f.query.Login != "" && f.dialect.Divided {
		parts = w.cut(PartBits, f.query.Newest)
	}
	for _, part := range parts {
		if f.enough() {
			return nil
		}
		if err := f.collect(ctx, c, &part); err != nil {
			return err
		}
	}
	return nil
}

// errEnough ends a query of which no more rows are needed.
var errEnough = errors.New("enough")

// collect adds what the query of SQL finds, up to the limit. The client's
// network is judged here, as not every engine knows addresses.
func (f *finding) collect(ctx context.Context, c sqlkit.Reader, within *Span) error {
	text, args := SQL(f.dialect, f.query, within)
	err := c.Query(ctx, text, args, func(r *sqlkit.Row) error {
		e, err := scanEvent(r)
		if err != nil {
			return err
		}
		if f.query.MatchesClient(&e) {
			f.events = append(f.events, e)
		}
		if f.enough() {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// SQL makes the query of a search: within a span, or by the index of an
// id where that is nil. The conditions that indexes have are repeated, as an
// engine has to see that they hold; the index of times would not give the order.
func SQL(d *sqlkit.Dialect, q *audit.Query, within *Span) (string, sqlkit.Values) {
	var w sqlkit.Where
	if within != nil {
		w.Add(q.Login != "" && d.Divided, "seq >> 10 = ?", within.First>>PartBits)
		w.Add(true, "seq >= ? AND seq <= ?", within.First, within.Last)
	} else {
		w.Add(q.AfterSeq != 0, "seq > ?", q.AfterSeq)
		w.Add(q.BeforeSeq != 0, "seq < ?", q.BeforeSeq)
	}
	w.Add(q.Session != "", "session <> '' AND session = ?", q.Session)
	w.Add(q.Submission != "", "submission <> '' AND submission = ?", q.Submission)
	w.Add(q.Login != "", "login <> '' AND login = ?", q.Login)
	addKinds(&w, q)
	w.Add(!q.Since.IsZero(), d.Aside+"at >= ?", q.Since)
	w.Add(!q.Until.IsZero(), d.Aside+"at < ?", q.Until)
	w.Add(q.Reason != "", "reason = ?", q.Reason)
	w.Add(q.Actor != "", "actor = ?", q.Actor)
	w.Add(q.Object != "", "object = ?", q.Object)
	w.Add(q.Client.IsSingleIP(), "client = ?", q.Client.Addr().String())
	w.Add(q.Client.IsValid(), "client <> ''")
	w.Add(!q.From.IsNull(), "CASE WHEN data <> '' THEN lower("+d.Member("from")+") END = ?", audit.FoldedText(q.From))
	w.Add(!q.To.IsNull(), "CASE WHEN data <> '' THEN lower("+d.Member("to")+") END = ?", audit.FoldedText(q.To))
	order := " ORDER BY seq LIMIT ?"
	if q.Newest {
		order = " ORDER BY seq DESC LIMIT ?"
	}
	limit := q.Limit
	if q.Client.IsValid() && !q.Client.IsSingleIP() {
		limit = math.MaxInt64 // rows are judged after this
	}
	text := `SELECT seq, at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data
    FROM event` + w.Text() + order
	return text, w.Bind(limit)
}

// addKinds adds the condition for the kinds that a query wants.
func addKinds(w *sqlkit.Where, q *audit.Query) {
	if q.Kind == "" {
		return
	}
	var args []any
	for _, k := range q.Kinds() {
		args = append(args, string(k))
	}
	if args == nil {
		w.Add(true, "1 = 0")
		return
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ")
	w.Add(true, "kind IN ("+marks+")", args...)
}

func scanEvent(r *sqlkit.Row) (audit.Event, error) {
	e := audit.Event{
		Seq: r.Int64(), At: r.Time(), Kind: audit.Kind(r.Text()), Session: r.ID(), Submission: r.ID(), Delivery: r.Int(),
		Login: r.Text(), Actor: r.Text(), Client: r.Text(), Object: r.Text(),
		Code: r.Int(), Enhanced: r.Text(), Reason: r.Text(), Text: r.Text(),
	}
	data := r.Text()
	if data == "" {
		return e, nil
	}
	if err := json.Unmarshal([]byte(data), &e.Data); err != nil {
		return e, fmt.Errorf("%w: data of event %d: %w", sqlkit.ErrDamaged, e.Seq, err)
	}
	return e, nil
}

// Package limits keeps the rules of package limit: it is limit.Store in the SQL that the
// engines share. What was counted is not here.
//
// Their changes are numbered (package numbered). A rule is for something that there is, and
// ends with it, in the transaction that removes it: who gets its name inherits nothing. So
// changes of rules keep accounts as they are, and who changes accounts is alone with rules too.
//
// Main types: Rulebook.
package limits

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/numbered"
	"countersign/internal/tenant"
)

// Options are what a Rulebook works with. Base is needed.
type Options struct {
	// Base has a Change that is alone with rules and keeps accounts as they are, and a
	// Signal for rules.
	Base sqlkit.Base
	// Tell is a statement that lets other processes know of a change; "" where the engine
	// cannot.
	Tell string
}

// Rulebook implements limit.Store. It is safe for concurrent use.
type Rulebook struct{ table numbered.Owned[limit.Rule] }

// New returns the rules of a database.
func New(opt Options) *Rulebook { return &Rulebook{Table(opt)} }

// Table is that of rules.
func Table(opt Options) numbered.Owned[limit.Rule] {
	return numbered.Owned[limit.Rule]{
		Table: numbered.Table[limit.Rule]{
			Base: opt.Base, Tell: opt.Tell, Name: "limit_rule",
			Columns: "id, kind, name, measure, span, most, extra, action, shadow, share, because, actor, began, ends, lifted, away, least, quiet", Scan: scan,
		},
		ID: func(r *limit.Rule) mail.ID { return r.ID },
		Ended: func(r *limit.Rule, at time.Time, because audit.Event) audit.Event {
			r.End = at
			return r.Event(audit.LimitLifted, because.At, because.Actor, "it ended with what it was for")
		},
	}
}

// Ender ends rules with what they are for.
func (s *Rulebook) Ender() numbered.Ender { return &s.table }

const insertSQL = `INSERT INTO limit_rule (id, kind, name, measure, span, most, extra, action, shadow, share, because, actor, began, ends, lifted, change, away, least, quiet)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)`

// scan reads a rule; a word that means nothing is damage.
func scan(r *sqlkit.Row) limit.Rule {
	out := limit.Rule{ID: r.ID()}
	var err error
	if out.For.Kind, err = limit.ParseKind(r.Text()); err != nil {
		r.Fail(err)
	}
	out.For.Name = r.Text()
	if out.Limit, err = limit.Parse(r.Text() + "/" + r.Text() + "=" + strconv.FormatInt(r.Int64(), 10)); err != nil {
		r.Fail(err)
	}
	out.Extra = r.Bool()
	if out.Limit.Action, err = limit.ParseAction(r.Text()); err != nil {
		r.Fail(err)
	}
	out.Limit.Shadow, out.Limit.Share = r.Bool(), r.Int()
	out.Because, out.By, out.Start, out.End, out.Lifted = r.Text(), r.Text(), r.Time(), r.Time(), r.Text()
	if text := r.Text(); text != "" {
		if out.Limit.Away, err = limit.ParseAway(text); err != nil {
			r.Fail(err)
		}
	}
	out.Limit.Least, out.Limit.Quiet = r.Int64(), r.Bool()
	return out
}

// away is what column away has: "" for what rules had before there was a choice.
func away(l *limit.Limit) string {
	if l.Away == limit.AwayOpen {
		return ""
	}
	return l.Away.String()
}

// checkSet checks what of rules needs no look at others.
func checkSet(op string, rules []limit.Rule) error {
	if len(rules) > limit.MaxSet {
		return fault.New(op, fault.Invalid, "%d limits are too many at once; at most %d are taken", len(rules), limit.MaxSet)
	}
	for i := range rules {
		if err := rules[i].Check(); err != nil {
			return err
		}
		for j := range i {
			if rules[i].ID == rules[j].ID || rules[i].Replaces(&rules[j]) || rules[j].Replaces(&rules[i]) {
				return fault.New(op, fault.Invalid, "%s stands twice among those that are set", rules[i].Object())
			}
		}
	}
	return nil
}

// ended is how many rules one that is set ends at most: one in its place, and one in shadow beside it.
const ended = 2

// SetRules implements limit.Store. All is checked before anything is written, as it may
// share its transaction with others.
func (s *Rulebook) SetRules(ctx context.Context, rules []limit.Rule, within tenant.Bound, events []audit.Event) error {
	const op = "limit.set"
	if err := checkSet(op, rules); err != nil || len(rules) == 0 {
		return err
	}
	growth, whose := numbered.Growth{Bound: within, What: "limits", At: rules[0].Start, More: len(rules)}, s.table.Whose()
	held, err := s.table.Held(ctx, op, growth, whose, ended*len(rules))
	if err != nil {
		return err
	}
	return s.table.Change(ctx, op, events, func(t sqlkit.Writer, number int64) error {
		lifts, err := s.lifts(t, op, rules, number)
		if err != nil {
			return err
		}
		growth := growth // of this run, as an engine may repeat it
		growth.Fewer = len(lifts)
		if err := s.table.Bounded(t, op, growth, whose, held); err != nil {
			return err
		}
		for _, args := range lifts {
			if err := t.Exec(s.table.LiftSQL(), args); err != nil {
				return err
			}
		}
		return insert(t, rules, number)
	})
}

// lifts are the arguments that end each rule whose place one of the new ones takes. It refuses rules
// that are for nothing, or whose ids there are.
func (s *Rulebook) lifts(t sqlkit.Writer, op string, rules []limit.Rule, number int64) (lifts []sqlkit.Values, err error) {
	for i := range rules {
		r := &rules[i]
		if err := require(t, op, r.For); err != nil {
			return nil, err
		}
		known, err := t.Exists("SELECT 1 FROM limit_rule WHERE id = ?", sqlkit.Bind(r.ID))
		if err == nil && known {
			err = fault.New(op, fault.Conflict, "there is a limit %s already", r.ID)
		}
		if err != nil {
			return nil, err
		}
		before, err := s.table.Find(t, numbered.HoldingOf, sqlkit.Bind(r.For.Kind.String(), r.For.Name, r.Start))
		if err != nil {
			return nil, err
		}
		for k := range before {
			if r.Replaces(&before[k]) {
				lifts = append(lifts, sqlkit.Bind(r.Start, r.By, number, before[k].ID))
			}
		}
	}
	return lifts, nil
}

// insert writes new rules.
func insert(t sqlkit.Writer, rules []limit.Rule, number int64) error {
	for i := range rules {
		r, l := &rules[i], &rules[i].Limit
		err := t.Exec(insertSQL, sqlkit.Bind(r.ID, r.For.Kind.String(), r.For.Name, l.Measure.String(), l.Window.String(), l.Max, r.Extra,
			l.Action.String(), l.Shadow, l.Share, r.Because, r.By, r.Start, r.End, number, away(l), l.Least, l.Quiet))
		if err != nil {
			return err
		}
	}
	return nil
}

// require refuses a subject that there is not, as far as the store can tell.
func require(t sqlkit.Writer, op string, s limit.Subject) error {
	if s.Name == limit.Each {
		return nil
	}
	found, err := numbered.Owner{Kind: s.Kind.String(), Name: s.Name}.Exists(t)
	if err == nil && !found {
		err = fault.New(op, fault.NotFound, "%s does not exist", s)
	}
	return err
}

// LiftRule implements limit.Store.
func (s *Rulebook) LiftRule(ctx context.Context, id mail.ID, at time.Time, by string, e audit.Event) error {
	const op = "limit.lift"
	return s.table.Change(ctx, op, []audit.Event{e}, func(t sqlkit.Writer, number int64) error {
		found, err := s.table.Find(t, " WHERE id = ?", sqlkit.Bind(id))
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fault.New(op, fault.NotFound, "there is no limit %s", id)
		case !found[0].Holds(at):
			return fault.New(op, fault.Conflict, "limit %s ended at %s", id, found[0].End.Format(time.RFC3339))
		}
		return t.Exec(s.table.LiftSQL(), sqlkit.Bind(at, by, number, id))
	})
}

// Rules implements limit.Store.
func (s *Rulebook) Rules(ctx context.Context, q limit.Query) ([]limit.Rule, error) {
	var w sqlkit.Where
	w.Add(q.ID != "", "id = ?", q.ID)
	if q.For != nil {
		w.Add(true, "kind = ? AND name = ?", q.For.Kind.String(), q.For.Name)
	}
	w.Add(!q.Holding.IsZero(), "(ends = 0 OR ends > ?)", q.Holding)
	behind, args := s.table.Paged(&w, q.Page, q.Holding.IsZero())
	list, err := s.table.List(ctx, "limit.list", w.Text()+behind, args)
	if q.Page.Limit > 0 {
		return list, err
	}
	slices.SortFunc(list, func(a, b limit.Rule) int {
		return cmp.Or(cmp.Compare(a.For.Kind, b.For.Kind), cmp.Compare(a.For.Name, b.For.Name), a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// RulesSince implements limit.Feed.
func (s *Rulebook) RulesSince(ctx context.Context, since uint64) (changed []limit.Rule, number uint64, err error) {
	return s.table.Since(ctx, "limit.since", since)
}

// RulesChanged implements limit.Feed.
func (s *Rulebook) RulesChanged() (changed <-chan struct{}, told bool) {
	return s.table.Base.Signal.Changed()
}

// PruneRules implements limit.Store.
func (s *Rulebook) PruneRules(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	return s.table.Prune(ctx, "limit.prune", before, limit)
}

package limits

import (
	"slices"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// Gone is what a change of accounts removes.
type Gone struct {
	// Login is the account of which credentials are removed, or which is; "" for others.
	Login    string
	Subjects []limit.Subject
}

// End ends, in a change of accounts, the rules of what it removes, in the name of the actor
// of its event, and returns the events of that. No rule changes meanwhile, as such changes
// keep accounts as they are. Who runs the transaction calls Raise afterwards where there are
// any.
func (s *Rulebook) End(t sqlkit.Writer, gone Gone, because audit.Event) (events []audit.Event, err error) {
	if len(gone.Subjects) == 0 {
		return nil, nil
	}
	now := s.table.Base.Now()
	var rules []limit.Rule
	for _, of := range gone.Subjects {
		found, err := s.table.Find(t, Holding, sqlkit.Bind(of.Kind.String(), of.Name, now))
		if err != nil {
			return nil, err
		}
		rules = append(rules, found...)
	}
	if len(rules) == 0 {
		return nil, nil
	}
	err = s.table.Within(t, func(number int64) error {
		for i := range rules {
			r := &rules[i]
			if err := t.Exec(liftSQL, sqlkit.Bind(now, because.Actor, number, r.ID)); err != nil {
				return err
			}
			r.End = now.UTC()
			e := r.Event(audit.LimitLifted, because.At, because.Actor, "it ended with what it was for")
			e.Login = gone.Login
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// OfCredentials returns the credentials of an account that have rules, but for those that
// are kept.
func (s *Rulebook) OfCredentials(t sqlkit.Writer, login string, kept ...mail.ID) (list []limit.Subject, err error) {
	err = t.Query(OfCredentialsSQL, sqlkit.Bind(login), func(r *sqlkit.Row) error {
		if id := r.ID(); !slices.Contains(kept, id) {
			list = append(list, limit.Subject{Kind: limit.Credential, Name: string(id)})
		}
		return nil
	})
	return list, err
}

// Raise lets all of this process who follow know that rules may have ended.
func (s *Rulebook) Raise() { s.table.Base.Signal.Raise() }

package incoming

import (
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
	"countersign/internal/store/sqlkit/record"
	"countersign/internal/store/sqlkit/waiting"
)

// Outcome is a queue.Outcome made ready for an engine.
type Outcome struct {
	// State is the stored state that follows, 0 for a final one.
	State int
	N     int
	// Key is submission and number.
	Key sqlkit.Values
	// Attempted is what an outcome that is not final sets: state, next, hold_reason,
	// delay_reported, last_at, last_code, last_enhanced, last_text, last_remote, and
	// behind them the key.
	Attempted sqlkit.Values
}

// Report is a queue.Report made ready for an engine.
type Report struct {
	Submission mail.ID
	Outcomes   []Outcome
	Reports    []*Acceptance
	Events     []sqlkit.Values
	Counted    Counted
	Again      bool
}

// NotOwn is the answer to a report, made again, of a delivery that is not there for
// this node.
func NotOwn(submission mail.ID, n int) error {
	return fault.New("queue.report", fault.NotFound, "delivery %d of submission %s is finished, or another node has it by now", n, submission)
}

// PrepareReport makes a report ready; owned is as for Prepare.
func PrepareReport(r *queue.Report, owned func(queue.LargeBody) Body) (*Report, error) {
	p := &Report{Submission: r.Submission, Counted: Counted{r.Counted}, Again: r.Again}
	numbers := make(map[int]bool, len(r.Outcomes))
	for i := range r.Outcomes {
		o, err := prepareOutcome(r.Submission, &r.Outcomes[i])
		if err == nil && numbers[o.N] {
			err = fault.New("queue.report", fault.Invalid, "delivery %d of submission %s has two outcomes", o.N, r.Submission)
		}
		if err != nil {
			return nil, err
		}
		numbers[o.N] = true
		p.Outcomes = append(p.Outcomes, o)
	}
	ids := make(map[mail.ID]bool, len(r.Reports))
	for i := range r.Reports {
		a, err := Prepare(&r.Reports[i], owned)
		if err == nil && ids[a.ID] {
			err = a.Taken()
		}
		if err != nil {
			return nil, err
		}
		ids[a.ID] = true
		p.Reports = append(p.Reports, a)
	}
	var err error
	p.Events, err = record.Bind(r.Events)
	return p, err
}

func prepareOutcome(submission mail.ID, o *queue.Outcome) (Outcome, error) {
	out := Outcome{State: waiting.StoredState(o.State), N: o.N, Key: sqlkit.Bind(submission, o.N)}
	switch o.State {
	case queue.Delivered, queue.Failed:
		return out, nil
	case queue.Deferred, queue.Held:
	default:
		return out, fault.New("queue.report", fault.Invalid, "%q is not the outcome of an attempt", o.State)
	}
	hold := ""
	if o.State == queue.Held {
		hold = o.HoldReason
	}
	l := &o.Result
	out.Attempted = sqlkit.Bind(out.State, o.Next, hold, o.DelayReported, l.At, l.Code, l.Enhanced, l.Text, l.Remote, submission, o.N)
	return out, nil
}

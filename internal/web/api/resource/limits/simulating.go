package limits

import (
	"time"

	"countersign/internal/fault"
	"countersign/internal/limit/hindsight"
	"countersign/internal/limit/terms"
	"countersign/internal/web/api"
)

// simulationWanted is the body of simulateLimits.
type simulationWanted struct {
	For    limitFor `json:"for" required:"yes" text:"Whom they would be for."`
	Limits []string `json:"limits" required:"yes" text:"As in setLimits; they are judged together, and without those that are set." example:"recipients/hour=100"`
	terms.Terms
	Since time.Time `json:"since" text:"The beginning; 30 days ago where nothing is said."`
}

// simulated is from when on limits are simulated where nobody says it.
const simulated = 30 * 24 * time.Hour

func (l limits) simulate(r *api.Request) (any, error) {
	body := api.Body[simulationWanted](r)
	q := hindsight.Question{Since: body.Since, Now: r.Now}
	var err error
	if q.Limits, err = parse(body.Limits, false); err != nil {
		return nil, err
	}
	if len(q.Limits) == 0 {
		return nil, api.Wrong("limits", fault.New("api.limit", fault.Invalid, "names none"))
	}
	if member, err := body.Apply(q.Limits); err != nil {
		return nil, api.Wrong(member, err)
	}
	if q.For, q.Login, err = l.whom(l.scope(r), &body.For); err != nil {
		return nil, err
	}
	if q.Since.IsZero() {
		q.Since = r.Now.Add(-simulated)
	}
	if q.Remembers() {
		end, err := l.alone(r)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	return hindsight.Simulate(r.Ctx, l.Store, q)
}

// patience is how long alone waits.
const patience = 20 * time.Second

// alone takes the one place of what remembers whom messages went to, as that is much memory; end gives it
// back. A client without customers waits for it, as those with customers could have it one after the other.
func (l limits) alone(r *api.Request) (end func(), err error) {
	end = func() { <-l.contacts }
	select {
	case l.contacts <- struct{}{}:
		return end, nil
	default:
	}
	if !r.Client.Bounded() {
		select {
		case l.contacts <- struct{}{}:
			return end, nil
		case <-r.Ctx.Done():
		case <-time.After(patience):
		}
	}
	return nil, api.Busy("another simulation of new recipients is running, and one runs at a time; repeat it when that has ended, or simulate other limits meanwhile")
}

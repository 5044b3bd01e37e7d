package limits

import (
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/cli/call"
	"countersign/internal/fault"
	"countersign/internal/limit"
)

// naming puts LOGIN/NAME in the place of the id of the credential that a rule is for, to be
// read by people; any other rule stays as it is, and so does that of a credential that is
// gone. The record says whose it was when the rule was set.
func naming(o *call.Opened, r limit.Rule) (limit.Rule, error) {
	if r.For.Kind != limit.Credential || r.For.Name == limit.Each {
		return r, nil
	}
	events, err := o.Store.Search(o.Ctx, audit.Query{
		Kind: audit.LimitSet, Object: r.Event(audit.LimitSet, r.Start, r.By, "").Object,
		Since: r.Start.Add(-time.Second), Until: r.Start.Add(time.Second), Limit: 1,
	})
	if err != nil || len(events) == 0 || events[0].Login == "" {
		return r, err
	}
	a, err := o.Store.Account(o.Ctx, events[0].Login)
	if fault.Is(err, fault.NotFound) {
		return r, nil
	}
	if i := slices.IndexFunc(a.Credentials, func(c account.Credential) bool { return string(c.ID) == r.For.Name }); i >= 0 {
		r.For.Name = a.Login() + "/" + a.Credentials[i].Name
	}
	return r, err
}

package resource

import (
	"net/http"

	"countersign/internal/access/guard"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// guarded are the operations on what the guard has counted.
type guarded struct{ Options }

func (g guarded) rows() []api.Operation {
	limit := api.Parameter{Name: "limit", Text: "How many at most, 1 to 500; 100 where nothing is said."}
	return []api.Operation{
		{ID: "listGuarded", Method: http.MethodGet, Path: "/guard", May: client.Read, Text: "List what is closed, and what has failed lately, the latest first.",
			Query: []api.Parameter{limit}, Answer: guardedList{}, Run: g.list},
		{ID: "showGuarded", Method: http.MethodGet, Path: "/guard/{subject}", May: client.Read, Text: "Say what is counted of a login or a network, and from where a login is known.",
			Answer: guardedList{}, Run: g.show},
		{ID: "forgetGuarded", Method: http.MethodDelete, Path: "/guard/{subject}", May: client.Guard,
			Text: "Let nothing count any more that was counted of a login or a network, and open it where it is closed; bans stay.", Answer: forgotten{}, Run: g.forget},
	}
}

// guardedList is what the guard has counted.
type guardedList struct {
	Items []shown.Guarded `json:"items"`
}

// forgotten is what forgetGuarded answers.
type forgotten struct {
	Records int `json:"records"`
}

// readAhead is how many records are looked through for those that count.
const readAhead = 10_000

func (g guarded) admin(r *api.Request) *guard.Admin {
	return guard.NewAdmin(guard.AdminOptions{Store: g.Store, Actor: r.Client.Actor(), Now: g.Now})
}

func (g guarded) list(r *api.Request) (any, error) {
	most, err := r.Limit()
	if err != nil {
		return nil, err
	}
	found, err := g.Store.Records(r.Ctx, guard.Query{Customers: r.Client.Customers()}, readAhead)
	if err != nil {
		return nil, err
	}
	show := shown.GuardedAt(r.Now, g.Window())
	out := guardedList{Items: []shown.Guarded{}}
	for _, record := range found {
		if v := show(record); (v.Counts > 0 || v.Closed != nil) && len(out.Items) < most {
			out.Items = append(out.Items, v)
		}
	}
	return out, nil
}

// subject reads what a path names; networks are nobody's.
func (g guarded) subject(s *reseller.Scope) (guard.Subject, error) {
	subject, err := guard.ParseSubject(s.Request.Path("subject"))
	switch {
	case err != nil:
		return subject, api.WrongPath("subject", err)
	case subject.Login != "":
		return subject, s.Login(subject.Login)
	}
	return subject, s.Whole("network " + s.Request.Path("subject"))
}

func (g guarded) show(r *api.Request) (any, error) {
	subject, err := g.subject(g.scope(r))
	if err != nil {
		return nil, err
	}
	found, err := g.admin(r).Find(r.Ctx, subject)
	return guardedList{shown.Each(found, shown.GuardedAt(r.Now, g.Window()))}, err
}

func (g guarded) forget(r *api.Request) (any, error) {
	subject, err := g.subject(g.scope(r))
	if err != nil {
		return nil, err
	}
	n, err := g.admin(r).Forget(r.Ctx, subject, r.Path("subject"))
	return forgotten{n}, err
}

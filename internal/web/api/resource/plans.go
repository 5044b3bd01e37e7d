package resource

import (
	"net/http"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/fault"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// plans are the operations on plans.
type plans struct{ Options }

func (p plans) rows() []api.Operation {
	return []api.Operation{
		{ID: "listPlans", Method: http.MethodGet, Path: "/plans", May: client.Read, Text: "List plans; for a client with customers those that it may give.", Pages: true, Answer: shown.Plan{}, Run: p.list},
		{ID: "getPlan", Method: http.MethodGet, Path: "/plans/{name}", May: client.Read, Text: "Return one plan.", Answer: shown.Plan{}, Run: p.get},
		{ID: "changePlan", Method: http.MethodPatch, Path: "/plans/{name}", May: client.Accounts, Text: "Change what a plan bounds; limits of a plan are set as limits.",
			Body: planChange{}, Answer: shown.Plan{}, Run: p.change},
	}
}

// planChange is the body of changePlan; what is left out stays.
type planChange struct {
	MaxRecipients   *int    `json:"max_recipients" text:"Recipients of one message; 0 for the server's limit."`
	MaxMessageBytes *int64  `json:"max_message_bytes" text:"Octets of one message; 0 for the server's limit."`
	MaxMessages     *int    `json:"max_messages" text:"Messages of one session; 0 for the server's limit."`
	SenderMode      *string `json:"sender_mode" among:"enforce,rewrite,shadow" text:"What becomes of mail under addresses that are not the account's: enforce, rewrite or shadow."`
}

func (p plans) list(r *api.Request) (any, error) {
	found, err := p.found(r)
	return api.PageOf(r, shown.Each(found, shown.PlanOf), func(v *shown.Plan) string { return v.Name }), err
}

// found are the plans of a page, of those that the client sees.
func (p plans) found(r *api.Request) ([]account.Plan, error) {
	if !r.Client.Bounded() {
		return p.Store.Plans(r.Ctx, part(r))
	}
	return named(r, r.Client.Plans(), p.Store.Plan)
}

func (p plans) get(r *api.Request) (any, error) {
	name := r.Path("name")
	if !r.Client.Gives(name) {
		return nil, api.NotThere("plan %s", name)
	}
	plan, err := p.Store.Plan(r.Ctx, name)
	return shown.PlanOf(plan), reseller.Missing(err, "plan %s", name)
}

func (p plans) change(r *api.Request) (any, error) {
	body, name := api.Body[planChange](r), r.Path("name")
	if err := p.scope(r).Whole("plan " + name); err != nil {
		return nil, err
	}
	change := admin.PlanChange{MaxRecipients: body.MaxRecipients, MaxMessageBytes: body.MaxMessageBytes, MaxMessages: body.MaxMessages}
	if body.SenderMode != nil {
		mode := account.SenderMode(*body.SenderMode)
		change.SenderMode = &mode
	}
	if err := p.Accounts(r.Client.Actor()).SetPlan(r.Ctx, name, change); err != nil {
		return nil, err
	}
	return p.get(r)
}

// gives refuses a plan that the client may not give: for it there is no such one.
func gives(r *api.Request, plan string) error {
	if r.Client.Gives(plan) {
		return nil
	}
	if plan == "" {
		return fault.New("api.plan", fault.Denied, "the client may not take the plan of a customer away")
	}
	return api.NotThere("plan %s", plan)
}

// Package limits is what the API has about limits: the operations that list and set them, allow
// more, lift them, show what is used of them and say what they would have done.
//
// What a limit may say is refused where the command line has it refused, too (packages limit and
// limit/admin).
//
// Main types: Options; function Rows.
package limits

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/limit/hindsight"
	"countersign/internal/limit/terms"
	"countersign/internal/limit/usage"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// Store is what is asked and changed.
type Store interface {
	account.Store
	limit.Store
	limit.Counts
	limit.Holders
	audit.Store
	node.Store
}

// Options are what the operations work with. All fields are needed.
type Options struct {
	Store Store
	IDs   *mail.IDSource
	Now   func() time.Time
}

// limits are the operations on limits.
type limits struct {
	Options
	// contacts has the place of a simulation that remembers whom messages went to.
	contacts chan struct{}
}

// scope is what a request may see.
func (o *Options) scope(r *api.Request) *reseller.Scope { return reseller.Of(o.Store, r) }

// Rows returns the operations.
func Rows(o Options) []api.Operation {
	l := limits{o, make(chan struct{}, 1)}
	return []api.Operation{
		{ID: "listLimits", Method: http.MethodGet, Path: "/limits", May: client.Read, Text: "List the limits that hold, and what is allowed on top of them.", Query: append(
			[]api.Parameter{api.Flag("all", "Also those that ended within the last 30 days."), api.Flag("everything", "Those for all gates together alone."),
				{Name: "each", Text: "Those alone for each of a kind that has none of its own: account, credential, domain, customer, network or node."}},
			reseller.ParametersOf(limitKinds)...), Pages: true, Answer: shown.Limit{}, Run: l.list},
		{ID: "setLimits", Method: http.MethodPost, Path: "/limits", May: client.Limits, Text: "Set limits, all or none, in place of what is set for the same. One in shadow stands beside the one that counts.",
			Body: limitsWanted{}, Answer: limitsSet{}, Created: true, Run: l.set},
		{ID: "allowMore", Method: http.MethodPost, Path: "/limits/allowances", May: client.Limits, Text: "Allow more on top of limits for a while: in each window of the limit until the end.",
			Body: moreWanted{}, Answer: limitsSet{}, Created: true, Run: l.allow},
		{ID: "liftLimit", Method: http.MethodDelete, Path: "/limits/{id}", May: client.Limits, Text: "End a limit or an allowance before its time.", Answer: shown.Limit{}, Run: l.lift},
		{ID: "simulateLimits", Method: http.MethodPost, Path: "/limits/simulations", May: client.Read, Text: "Say what limits would have done to the mail of the past, from the record. Nothing is set.",
			Body: simulationWanted{}, Answer: hindsight.Simulated{}, Costly: true, Run: l.simulate},
		{ID: "showUsage", Method: http.MethodGet, Path: "/accounts/{login}/limits", May: client.Read, Text: "Show all limits of an account: how much is used, and when there is room.", Query: []api.Parameter{
			{Name: "from", Text: "Also limits of the network that this address is in."},
		}, Answer: limitsUsed{}, Run: l.usage},
	}
}

// limitFor says whom a limit is for: exactly one of these.
type limitFor struct {
	Account    string `json:"account" text:"This account."`
	Credential string `json:"credential" text:"This credential of an account, LOGIN/NAME."`
	Domain     string `json:"domain" text:"All accounts of this domain together."`
	Customer   string `json:"customer" text:"All accounts of this customer together."`
	Plan       string `json:"plan" text:"Each account on this plan that has none of its own."`
	Network    string `json:"network" text:"This IPv4 address, or this IPv6 network with /64."`
	Node       string `json:"node" text:"This gate."`
	Everything bool   `json:"everything" text:"All gates together."`
	Each       string `json:"each" text:"Each of a kind that has none of its own: account, credential, domain, customer, network or node."`
}

// limitKinds are the kinds of subjects that are named by a text.
var limitKinds = []string{"account", "credential", "domain", "customer", "plan", "network", "node"}

// limitsWanted is the body of setLimits.
type limitsWanted struct {
	For    limitFor `json:"for" required:"yes" text:"Whom they are for."`
	Limits []string `json:"limits" required:"yes" text:"Each is a measure, a window and a number: recipients/hour=100, bytes/day=500MiB (or 500MB)." example:"recipients/hour=100"`
	terms.Terms
	Away    string    `json:"store_away" among:"open,closed,share" text:"Of connections: what happens while the store is away: open, closed or share."`
	NoMail  bool      `json:"no_mail" text:"Nobody gets a mail when most of it is used."`
	Until   time.Time `json:"until" text:"When they end; never where nothing is said. Meanwhile one counts in place of one without an end."`
	Because string    `json:"because" text:"Why: the helpdesk reads it."`
	Force   bool      `json:"force" text:"Set also a limit of 0, which stops all mail."`
}

// moreWanted is the body of allowMore.
type moreWanted struct {
	For     limitFor  `json:"for" required:"yes" text:"Whom it is for."`
	Limits  []string  `json:"limits" required:"yes" text:"How much on top of which limit: recipients/day=500." example:"recipients/day=500"`
	Until   time.Time `json:"until" required:"yes" text:"When it ends."`
	Because string    `json:"because" required:"yes" text:"Why: the helpdesk reads it."`
}

// limitsSet is what was set.
type limitsSet struct {
	Limits []shown.Limit `json:"limits"`
	// Remarks say, to people, which of them do not count now as they stand there, and what does.
	Remarks []string `json:"remarks"`
}

// limitsUsed is what showUsage answers.
type limitsUsed struct {
	Limits []usage.Room `json:"limits"`
}

func (l limits) admin(r *api.Request) *admin.Admin {
	return admin.New(admin.Options{Store: l.Store, IDs: l.IDs, Actor: r.Client.Actor(), Now: l.Now})
}

// subject reads whom a limit is for, and whose credential that is; some is false for nobody.
func (l limits) subject(s *reseller.Scope, given map[string]string, everything bool, each string) (of limit.Subject, login string, some bool, err error) {
	kind, name, err := reseller.OneOf(limitKinds, given)
	if err != nil {
		return of, "", false, err
	}
	if several := (kind != "" && (everything || each != "")) || everything && each != ""; several {
		return of, "", false, fault.New("api.limit", fault.Invalid, "names several, of which one is meant")
	}
	switch {
	case everything:
		return limit.Subject{Kind: limit.Everything}, "", true, s.Whole("a limit for everything")
	case each != "":
		of.Kind, err = limit.ParseKind(each)
		if err == nil && (of.Kind == limit.Plan || of.Kind == limit.Everything) {
			err = fault.New("api.limit", fault.Invalid, "%q is nothing that there are several of", each)
		}
		of.Name = limit.Each
		if err == nil {
			err = s.Whole("a limit for each " + each)
		}
		return of, "", true, err
	case kind == "":
		return of, "", false, nil
	}
	if of.Kind, err = limit.ParseKind(kind); err != nil {
		return of, "", false, err
	}
	of.Name, login, err = s.Subject(kind, name)
	return of, login, true, err
}

// whom reads whom a body is for.
func (l limits) whom(s *reseller.Scope, f *limitFor) (of limit.Subject, login string, err error) {
	given := map[string]string{
		"account": f.Account, "credential": f.Credential, "domain": f.Domain, "customer": f.Customer, "plan": f.Plan, "network": f.Network, "node": f.Node,
	}
	of, login, some, err := l.subject(s, given, f.Everything, f.Each)
	if err == nil && !some {
		err = fault.New("api.limit", fault.Invalid, "names nobody: say one of %s, everything, each", strings.Join(limitKinds, ", "))
	}
	return of, login, api.Wrong("for", err)
}

func (l limits) list(r *api.Request) (any, error) {
	s := l.scope(r)
	q := limit.Query{Holding: r.Now}
	if r.True("all") {
		q.Holding = time.Time{}
	}
	of, _, some, err := l.subject(s, reseller.Asked(r, limitKinds), r.True("everything"), r.Query("each"))
	if err != nil {
		return nil, err
	}
	if some {
		q.For = &of
	}
	if q.Page, err = s.Page(); err != nil {
		return nil, err
	}
	found, err := l.Store.Rules(r.Ctx, q)
	if err != nil {
		return nil, err
	}
	page := api.PageOf(r, found, func(rule *limit.Rule) string { return string(rule.ID) })
	rules, _ := page.Items.([]limit.Rule)
	page.Items, err = l.shown(r, rules)
	return page, err
}

// shown shows rules, with credentials by their names.
func (l limits) shown(r *api.Request, rules []limit.Rule) ([]shown.Limit, error) {
	named := slices.Clone(rules)
	for i := range named {
		var err error
		if named[i], err = usage.Named(r.Ctx, l.Store, named[i]); err != nil {
			return nil, err
		}
	}
	return shown.Each(named, shown.LimitAt(r.Now)), nil
}

// parse reads limits; a plus is taken where they are more on top of others.
func parse(texts []string, more bool) (list []limit.Limit, err error) {
	for _, text := range texts {
		if more {
			text = strings.Replace(text, "=+", "=", 1)
		}
		one, err := limit.Parse(text)
		if err != nil && strings.Contains(text, "=+") {
			err = fault.New("api.limit", fault.Invalid, "%.60q has a plus: allowMore is for more on top of a limit", text)
		}
		if err != nil {
			return nil, api.Wrong("limits", err)
		}
		list = append(list, one)
	}
	return list, nil
}

// apply puts what a body says of all its limits into each.
func (w *limitsWanted) apply(list []limit.Limit) (err error) {
	if member, err := w.Apply(list); err != nil {
		return api.Wrong(member, err)
	}
	for i := range list {
		list[i].Quiet = w.NoMail
		if w.Away != "" {
			if list[i].Measure != limit.Connections {
				return api.Wrong("store_away", fault.New("api.limit", fault.Invalid, "is of connections alone, not of %s: while the store is away no message is accepted", list[i].Measure))
			}
			if list[i].Away, err = limit.ParseAway(w.Away); err != nil {
				return api.Wrong("store_away", err)
			}
		}
	}
	return nil
}

func (l limits) set(r *api.Request) (any, error) {
	body := api.Body[limitsWanted](r)
	list, err := parse(body.Limits, false)
	if err != nil {
		return nil, err
	}
	if err := body.apply(list); err != nil {
		return nil, err
	}
	return l.put(r, &body.For, admin.Wanted{Limits: list, Because: body.Because, End: body.Until, Force: body.Force})
}

func (l limits) allow(r *api.Request) (any, error) {
	body := api.Body[moreWanted](r)
	list, err := parse(body.Limits, true)
	if err != nil {
		return nil, err
	}
	return l.put(r, &body.For, admin.Wanted{Limits: list, Extra: true, Because: body.Because, End: body.Until})
}

func (l limits) lift(r *api.Request) (any, error) {
	id, err := reseller.Identity(r, "limit")
	if err != nil {
		return nil, err
	}
	found, err := l.Store.Rules(r.Ctx, limit.Query{ID: id, Page: l.scope(r).Own()})
	if err == nil && len(found) == 0 {
		err = api.NotThere("limit %s", id)
	}
	if err != nil {
		return nil, err
	}
	rule, err := l.admin(r).Lift(r.Ctx, id)
	if err != nil {
		return nil, err
	}
	rule, err = usage.Named(r.Ctx, l.Store, rule)
	return shown.LimitAt(r.Now)(rule), err
}

func (l limits) usage(r *api.Request) (any, error) {
	s := l.scope(r)
	a, err := reseller.LoginIn(s, "login")
	if err != nil {
		return nil, err
	}
	var from netip.Addr
	if text := r.Query("from"); text != "" {
		if err := s.Whole("what is used of limits of networks"); err != nil {
			return nil, err
		}
		if from, err = netip.ParseAddr(text); err != nil {
			return nil, api.WrongQuery("from", fault.New("api.limit", fault.Invalid, "is not an address"))
		}
	}
	rooms, err := usage.Of(r.Ctx, l.Store, a.Key(), from, r.Now)
	if !s.All() { // what others use of limits that are for all is not for this client
		rooms = slices.DeleteFunc(rooms, func(room usage.Room) bool {
			kind, err := limit.ParseKind(room.Kind)
			return err != nil || kind > limit.Customer
		})
	}
	return limitsUsed{rooms}, err
}

package resource

import (
	"net/http"
	"net/netip"
	"time"

	"countersign/internal/access/list"
	"countersign/internal/access/list/answer"
	"countersign/internal/fault"
	"countersign/internal/shown"
	"countersign/internal/submission/visit"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// entries are the operations on access lists.
type entries struct{ Options }

func (e entries) rows() []api.Operation {
	return []api.Operation{
		{ID: "listAccessEntries", Method: http.MethodGet, Path: "/access/entries", May: client.Read, Text: "List the entries of access lists that hold.", Query: append(
			[]api.Parameter{api.Flag("all", "Also those that ended within the last 30 days.")}, reseller.ParametersOf(entryKinds)...), Pages: true, Answer: shown.Entry{}, Run: e.list},
		{ID: "addAccessEntry", Method: http.MethodPost, Path: "/access/entries", May: client.Access, Text: "Let clients in from a network, a country or an autonomous system, or keep them out.",
			Body: entryWanted{}, Answer: entryAdded{}, Created: true, Run: e.add},
		{ID: "removeAccessEntry", Method: http.MethodDelete, Path: "/access/entries/{id}", May: client.Access, Text: "End an entry before its time.", Answer: entryRemoved{}, Run: e.remove},
		{ID: "judgeClient", Method: http.MethodGet, Path: "/access/clients/{address}", May: client.Read, Text: "Say what becomes of a client, and which entry decides.", Query: []api.Parameter{
			{Name: "login", Text: "Who the client logs in as."},
			{Name: "credential", Text: "By which credential of that login, by name; its password where nothing is said."},
			{Name: "listener", Text: "At the listener of this name."},
		}, Answer: answer.Answer{}, Run: e.judge},
	}
}

// entryFor says whom an entry is for: one of these at most, everybody without any.
type entryFor struct {
	Listener   string `json:"listener" text:"The clients of the listeners of this name."`
	Customer   string `json:"customer" text:"The logins of this customer."`
	Domain     string `json:"domain" text:"The logins of this domain."`
	Account    string `json:"account" text:"This login."`
	Credential string `json:"credential" text:"Logins by this credential, LOGIN/NAME."`
}

// entryWanted is the body of addAccessEntry.
type entryWanted struct {
	Effect string    `json:"effect" required:"yes" among:"allow,deny,except" text:"deny keeps clients out; allow lets them in, and all others no more; except lets in who would be denied, and says nothing of others."`
	What   string    `json:"what" required:"yes" text:"A network, an address, a country (DE) or an autonomous system (AS64500)." example:"DE"`
	For    entryFor  `json:"for" text:"Whom it is for; everybody where nothing is said."`
	Reason string    `json:"reason" required:"yes" text:"Why: clients that it refuses and the helpdesk read it."`
	Until  time.Time `json:"until" text:"When it ends; never where nothing is said."`
	Shadow bool      `json:"shadow" text:"Record what it would deny, and deny nothing."`
	Force  bool      `json:"force" text:"Add also what is hardly ever meant, such as the first network that is allowed for everybody."`
}

// entryAdded is what addAccessEntry answers.
type entryAdded struct {
	shown.Entry
	Closes bool `json:"closes"` // from elsewhere nobody comes in there any more
	// Beside is the entry that denies exactly what this one lets in, and decides while it holds. Within is the
	// one that decides around it, Otherwise are narrower ones in it that go on to decide otherwise.
	Beside    *shown.Entry  `json:"beside,omitempty"`
	Within    *shown.Entry  `json:"within,omitempty"`
	Otherwise []shown.Entry `json:"otherwise,omitempty"`
}

// entryRemoved is what removeAccessEntry answers.
type entryRemoved struct {
	shown.Entry
	Opens bool `json:"opens"` // nothing is allowed there alone any more
}

func (e entries) admin(r *api.Request) *list.Admin {
	return list.NewAdmin(list.AdminOptions{Store: e.Store, IDs: e.IDs, Actor: r.Client.Actor(), Now: e.Now})
}

// entryKinds are the kinds of whom entries can be for, but for everybody.
var entryKinds = []string{"listener", "customer", "domain", "account", "credential"}

// subject reads whom an entry is for, and whose credential that is; "" is nobody.
func (e entries) subject(s *reseller.Scope, given map[string]string) (of list.Subject, login string, err error) {
	kind, name, err := reseller.OneOf(entryKinds, given)
	if err != nil || kind == "" {
		return of, "", err
	}
	if of.Kind, err = list.ParseKind(kind); err != nil {
		return of, "", err
	}
	of.Name, login, err = s.Subject(kind, name)
	return of, login, err
}

func (e entries) list(r *api.Request) (any, error) {
	s := e.scope(r)
	q := list.Query{Holding: r.Now}
	if r.True("all") {
		q.Holding = time.Time{}
	}
	of, _, err := e.subject(s, reseller.Asked(r, entryKinds))
	if err != nil {
		return nil, err
	}
	if of.Kind != list.Everywhere {
		q.For = &of
	}
	if q.Page, err = s.Page(); err != nil {
		return nil, err
	}
	found, err := e.Store.Entries(r.Ctx, q)
	return api.PageOf(r, shown.Each(found, shown.EntryAt(r.Now)), func(v *shown.Entry) string { return string(v.ID) }), err
}

func (e entries) add(r *api.Request) (any, error) {
	body := api.Body[entryWanted](r)
	w := list.Wanted{Shadow: body.Shadow, Reason: body.Reason, End: body.Until, Force: body.Force}
	var err error
	if w.Effect, err = list.ParseEffect(body.Effect); err != nil {
		return nil, api.Wrong("effect", err)
	}
	if w.What, err = list.ParseWhat(body.What); err != nil {
		return nil, api.Wrong("what", err)
	}
	s, f := e.scope(r), &body.For
	given := map[string]string{"listener": f.Listener, "customer": f.Customer, "domain": f.Domain, "account": f.Account, "credential": f.Credential}
	if w.For, w.Login, err = e.subject(s, given); err != nil {
		return nil, api.Wrong("for", err)
	}
	if w.For.Kind == list.Everywhere && !s.All() {
		return nil, api.Wrong("for", fault.New("api.access", fault.Invalid, "is missing: the client may add what is for its customers alone"))
	}
	if err := e.Useful(w.For, w.What); err != nil {
		return nil, err
	}
	w.Within = s.Bound()
	entry, closes, err := e.admin(r).Add(r.Ctx, w)
	if err != nil {
		return nil, err
	}
	met, err := e.admin(r).Overlap(r.Ctx, entry)
	if err != nil { // the entry holds: who repeated this would be told of a conflict
		r.Left("beside, within and otherwise", err)
		met = list.Overlap{}
	}
	show := shown.EntryAt(r.Now)
	a := entryAdded{Entry: show(entry), Closes: closes, Otherwise: shown.Each(met.Otherwise, show)}
	if met.Beside != nil {
		beside := show(*met.Beside)
		a.Beside = &beside
	}
	if met.Within != nil {
		within := show(*met.Within)
		a.Within = &within
	}
	return a, nil
}

func (e entries) remove(r *api.Request) (any, error) {
	id, err := reseller.Identity(r, "entry")
	if err != nil {
		return nil, err
	}
	found, err := e.Store.Entries(r.Ctx, list.Query{ID: id, Page: e.scope(r).Own()})
	if err == nil && len(found) == 0 {
		err = api.NotThere("entry %s", id)
	}
	if err != nil {
		return nil, err
	}
	entry, opens, err := e.admin(r).Remove(r.Ctx, id)
	return entryRemoved{shown.EntryAt(r.Now)(entry), opens}, err
}

func (e entries) judge(r *api.Request) (any, error) {
	at, err := netip.ParseAddr(r.Path("address"))
	if err != nil {
		return nil, api.WrongPath("address", fault.New("api.access", fault.Invalid, "is not an address: write 192.0.2.1 or 2001:db8::1"))
	}
	s := e.scope(r)
	if r.Query("login") == "" {
		if err := s.Whole("what becomes of clients that have not logged in"); err != nil {
			return nil, err
		}
	}
	who, err := e.who(s)
	if err != nil {
		return nil, err
	}
	if !s.All() {
		return answer.ForOwner(e.Entries, list.Question{Who: who, Place: e.Place(at)}), nil
	}
	return answer.Of(e.Entries, list.Question{Who: who, Place: e.Place(at)}), nil
}

// who is the client that a query describes.
func (e entries) who(s *reseller.Scope) (list.Who, error) {
	r := s.Request
	if r.Query("login") == "" {
		return list.Who{Listener: r.Query("listener")}, nil
	}
	a, err := reseller.Address(r.Query("login"))
	if err != nil {
		return list.Who{}, api.WrongQuery("login", err)
	}
	if err := s.Login(a.Key()); err != nil {
		return list.Who{}, err
	}
	sender, err := e.Store.Sender(r.Ctx, a.Key())
	if err != nil {
		return list.Who{}, reseller.Missing(err, "account %s", a.Key())
	}
	name := r.Query("credential")
	if name == "" {
		name = "password"
	}
	for i := range sender.Account.Credentials {
		if c := &sender.Account.Credentials[i]; c.Name == name {
			return visit.Who(r.Query("listener"), sender, c), nil
		}
	}
	return list.Who{}, api.NotThere("credential %s/%s", a.Key(), name)
}

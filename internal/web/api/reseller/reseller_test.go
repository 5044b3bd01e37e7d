package reseller

import (
	"context"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/tenant"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
)

// store has one.example of acme and two.example of rival, each with an account and its password, and
// events.
type store struct {
	asked  int
	err    error
	events []audit.Event
}

func (s *store) Domain(_ context.Context, name mail.Domain) (account.Domain, error) {
	s.asked++
	owner := map[mail.Domain]string{"one.example": "acme", "two.example": "rival"}[name]
	if owner == "" && s.err == nil {
		return account.Domain{}, fault.New("test", fault.NotFound, "none")
	}
	return account.Domain{Name: name, Customer: owner}, s.err
}

func (s *store) Account(_ context.Context, login string) (account.Account, error) {
	local, domain, _ := strings.Cut(login, "@")
	if local == "nobody" {
		return account.Account{}, fault.New("test", fault.NotFound, "none")
	}
	return account.Account{Address: mail.Address{Local: local, Domain: mail.Domain(domain)}, Credentials: []account.Credential{{ID: "01KPH00000000000000000000A", Name: "phone"}}}, s.err
}

func (s *store) Search(_ context.Context, q audit.Query) ([]audit.Event, error) {
	for i := len(s.events) - 1; i >= 0; i-- {
		if e := s.events[i]; e.Kind == q.Kind && e.Object == q.Object && q.Newest && q.Limit == 1 {
			return []audit.Event{e}, s.err
		}
	}
	return nil, s.err
}

// scopes are what a client without customers sees, and one with acme.
func scopes(t *testing.T) (*store, map[string]*Scope) {
	t.Helper()
	s, out := new(store), map[string]*Scope{}
	for name, customers := range map[string][]string{"all": nil, "acme": {"acme"}} {
		c := client.New(client.Options{Name: name, Token: client.NewToken(), Customers: customers, PerMinute: 100})
		out[name] = Of(s, &api.Request{Ctx: t.Context(), Client: c})
	}
	return s, out
}

// TestSubjects: of each kind of whom something can be for, a client with customers has what is in these,
// and the rest is as what there is not.
func TestSubjects(t *testing.T) {
	_, by := scopes(t)
	for _, c := range []struct {
		kind, name, formed string
		all, acme          fault.Kind // fault.Internal for no error
	}{
		{"customer", "acme", "acme", 0, 0},
		{"customer", "rival", "rival", 0, fault.NotFound},
		{"customer", "", "", fault.NotFound, fault.NotFound},
		{"domain", "One.example.", "one.example", 0, 0},
		{"domain", "two.example", "two.example", 0, fault.NotFound},
		{"domain", "none.example", "none.example", 0, fault.NotFound},
		{"domain", "sub.one.example", "sub.one.example", 0, fault.NotFound},
		{"domain", "-", "", fault.Invalid, fault.Invalid},
		{"account", "Ann@one.example", "ann@one.example", 0, 0},
		{"account", "eve@two.example", "eve@two.example", 0, fault.NotFound},
		{"account", `"ann@one.example"@two.example`, "ann@one.example@two.example", 0, fault.NotFound},
		{"account", "x", "", fault.Invalid, fault.Invalid},
		{"credential", "ann@one.example/phone", "01KPH00000000000000000000A", 0, 0},
		{"credential", "eve@two.example/phone", "01KPH00000000000000000000A", 0, fault.NotFound},
		{"credential", "ann@one.example/none", "", fault.NotFound, fault.NotFound},
		{"credential", "nobody@one.example/phone", "", fault.NotFound, fault.NotFound},
		{"credential", "ann@one.example/", "", fault.Invalid, fault.Invalid},
		{"network", "192.0.2.1", "192.0.2.1", 0, fault.NotFound},
		{"network", "192.0.2.0/24", "", fault.Invalid, fault.Invalid},
		{"plan", "small", "small", 0, fault.NotFound},
		{"node", "n", "n", 0, fault.NotFound},
		{"listener", "web", "web", 0, fault.NotFound},
		{"what will be", "x", "x", 0, fault.NotFound},
	} {
		for name, want := range map[string]fault.Kind{"all": c.all, "acme": c.acme} {
			formed, _, err := by[name].Subject(c.kind, c.name)
			if want == 0 && (err != nil || formed != c.formed) || want != 0 && !fault.Is(err, want) {
				t.Errorf("%s asks for %s %q: %q, %v", name, c.kind, c.name, formed, err)
			}
		}
	}
}

// TestBounds: a client without customers has none, and one with customers that of these.
func TestBounds(t *testing.T) {
	s, by := scopes(t)
	if !by["all"].All() || by["all"].Bound().Binds() || by["all"].Own().Customers != nil {
		t.Error("who has no customers is bound")
	}
	own, bound := by["acme"].Own(), by["acme"].Bound()
	if by["acme"].All() || len(own.Customers) != 1 || own.Customers[0] != "acme" || bound.Most != client.MostInForce || bound.Customers[0] != "acme" {
		t.Errorf("%+v, %+v", own, bound)
	}
	if p, err := by["acme"].Page(); err != nil || p.Limit != 1 || len(p.Customers) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	for range 3 {
		if has, err := by["acme"].HasLogin("ann@one.example"); !has || err != nil {
			t.Error(has, err)
		}
	}
	if s.asked != 1 {
		t.Errorf("the store was asked %d times for one domain", s.asked)
	}
	if has, err := by["acme"].HasLogin("one.example"); has || err != nil {
		t.Error("what is no login is somebody's")
	}
	s.err = fault.New("test", fault.Unavailable, "away")
	if has, err := by["acme"].HasDomain("two.example"); has || !fault.Is(err, fault.Unavailable) {
		t.Errorf("while the store is away: %v, %v", has, err)
	}
}

// TestRefusals: a bound refuses what goes over it alone.
func TestRefusals(t *testing.T) {
	b := tenant.Bound{Customers: []string{"acme"}, Most: 3}
	for n, refused := range map[int]bool{0: false, 3: false, 4: true} {
		if err := b.Refusal("x", "bans", n); fault.Is(err, fault.Conflict) != refused {
			t.Errorf("%d: %v", n, err)
		}
	}
	if (tenant.Bound{}).Refusal("x", "bans", 1_000_000) != nil {
		t.Error("what is not bound is refused")
	}
}

// TestResumes: the last suspension decides who may undo it.
func TestResumes(t *testing.T) {
	s, by := scopes(t)
	suspended := func(actor, object string) {
		s.events = append(s.events, audit.Event{Kind: audit.AdminSuspended, Actor: actor, Object: object})
	}
	suspended("api:panel", "account b@one.example")
	suspended("cli:root", "account b@one.example")
	suspended("cli:root", "account c@one.example")
	suspended("api:other", "account c@one.example")
	suspended("apiary", "account d@one.example")
	for object, refused := range map[string]bool{"account a@one.example": true, "account b@one.example": true, "account c@one.example": false, "account d@one.example": true} {
		err := by["acme"].Resumable(object, account.Suspended)
		if fault.Is(err, fault.Conflict) != refused || !refused && err != nil {
			t.Errorf("%s: %v", object, err)
		}
		if err := by["acme"].Resumable(object, account.Active); err != nil {
			t.Errorf("%s is not suspended: %v", object, err)
		}
		if err := by["all"].Resumable(object, account.Suspended); err != nil {
			t.Errorf("%s, by who sees everything: %v", object, err)
		}
	}
	s.err = fault.New("test", fault.Unavailable, "away")
	if err := by["acme"].Resumable("account c@one.example", account.Suspended); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

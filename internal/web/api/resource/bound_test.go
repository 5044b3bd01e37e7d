package resource_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
	"countersign/internal/store/sqlite"
	"countersign/internal/tenant"
)

// listed is a store that lists nothing any more once something was set.
type listed struct {
	*sqlite.Store
	// leaves says that the store is away once something was set, away that it is.
	leaves, away bool
	// domains are those that it has, unless that is nil; looks counts the questions after looks at them.
	domains []account.Domain
	looks   int
}

func (l *listed) gone() error {
	if l.away {
		return fault.New("test.store", fault.Unavailable, "the store is away")
	}
	return nil
}

func (l *listed) AddBan(ctx context.Context, b access.Ban, within tenant.Bound, e audit.Event) error {
	err := l.Store.AddBan(ctx, b, within, e)
	l.away = l.leaves
	return err
}

func (l *listed) AddEntry(ctx context.Context, b list.Entry, within tenant.Bound, e audit.Event) error {
	err := l.Store.AddEntry(ctx, b, within, e)
	l.away = l.leaves
	return err
}

func (l *listed) SetRules(ctx context.Context, rules []limit.Rule, within tenant.Bound, events []audit.Event) error {
	err := l.Store.SetRules(ctx, rules, within, events)
	l.away = l.leaves
	return err
}

func (l *listed) Bans(ctx context.Context, q access.Query) ([]access.Ban, error) {
	found, err := l.Store.Bans(ctx, q)
	if err == nil {
		err = l.gone()
	}
	return found, err
}

func (l *listed) Entries(ctx context.Context, q list.Query) ([]list.Entry, error) {
	found, err := l.Store.Entries(ctx, q)
	if err == nil {
		err = l.gone()
	}
	return found, err
}

func (l *listed) Rules(ctx context.Context, q limit.Query) ([]limit.Rule, error) {
	found, err := l.Store.Rules(ctx, q)
	if err == nil {
		err = l.gone()
	}
	return found, err
}

func (l *listed) Domains(ctx context.Context, q account.DomainQuery) ([]account.Domain, error) {
	if l.domains != nil {
		return l.domains[:q.Limit], nil
	}
	return l.Store.Domains(ctx, q)
}

func (l *listed) LookAt(ctx context.Context, domain mail.Domain) (rounds.Look, error) {
	l.looks++
	return l.Store.LookAt(ctx, domain)
}

func (l *listed) LooksAt(ctx context.Context, domains []mail.Domain) ([]rounds.Look, error) {
	l.looks++
	return l.Store.LooksAt(ctx, domains)
}

// TestLooksOfPage: what was found of the domains of a page, however large one may be, is one question.
func TestLooksOfPage(t *testing.T) {
	w := newWorld(t)
	w.looked("rival.example", "will-fail", "reject", "DKIM: nothing is published")
	for n := range 600 {
		w.listed.domains = append(w.listed.domains, account.Domain{Name: mail.Domain(fmt.Sprintf("d%03d.example", n)), Customer: "acme", State: account.Active, Created: time.Now()})
	}
	w.listed.domains[498].Name = "rival.example"
	for limit, has := range map[string]int{"1": 0, "500": 1} {
		w.listed.looks = 0
		a := w.ask("all", "GET", "/domains?limit="+limit, "")
		if got := strings.Count(a.text, `"last_look":{"verdict":"will-fail"`); a.status != 200 || got != has || w.listed.looks != 1 {
			t.Errorf("limit=%s: %d, %d of %d looks, after %d questions: %.300s", limit, a.status, got, has, w.listed.looks, a.text)
		}
	}
}

// TestStoreLeaves: what was set is answered as set, although nothing can be looked up any more: who
// repeated it would be told of a conflict, or be allowed twice as much.
func TestStoreLeaves(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	w.listed.leaves = true
	for path, c := range map[string]struct{ body, has string }{
		"/bans":              {`{"network":"192.0.2.0/24","reason":"x"}`, `"overlaps":[]`},
		"/access/entries":    {`{"effect":"deny","what":"FR","for":{"account":"a@example.org"},"reason":"x"}`, `"what":"FR"`},
		"/limits":            {`{"for":{"account":"a@example.org"},"limits":["recipients/hour=1"]}`, `"remarks":[]`},
		"/limits/allowances": {`{"for":{"account":"a@example.org"},"limits":["recipients/hour=1"],"because":"x","until":"` + soon + `"}`, `"remarks":[]`},
	} {
		w.listed.away = false
		w.wants(w.refuses(201, "all", "POST", path, c.body), c.has, `"id":`)
		if !w.listed.away {
			t.Errorf("%s: the store did not leave", path)
		}
	}
}

// TestMostInForce: a client with customers has a bound of each kind, in which what is another's is
// not counted; one without has none.
func TestMostInForce(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	bodies := [][2]string{
		{"/bans", `{"network":"198.51.100.%d","login":"LOGIN","reason":"x"}`},
		{"/access/entries", `{"effect":"deny","what":"192.0.2.%d","for":{"account":"LOGIN"},"reason":"x"}`},
		{"/limits", `{"for":{"account":"LOGIN"},"limits":["recipients/hour=1%d"]}`},
		{"/limits/allowances", `{"for":{"account":"LOGIN"},"limits":["recipients/hour=%d"],"because":"x","until":"` + soon + `"}`},
	}
	n := 0
	try := func(status int, who, login string, which ...[2]string) {
		t.Helper()
		for _, b := range which {
			n++
			a := w.refuses(status, who, "POST", b[0], strings.Replace(fmt.Sprintf(b[1], n), "LOGIN", login, 1))
			if status == 409 && !a.has("more than 4", "let the operator set it") {
				t.Error(a.text)
			}
		}
	}
	for range 5 { // of another
		try(201, "all", "r@rival.example", bodies[0], bodies[1], bodies[3])
	}
	for range 2 { // by the operator, for the same customer
		try(201, "all", "a@example.org", bodies[0], bodies[1], bodies[3])
	}
	try(201, "tight", "a@example.org", bodies...)
	try(201, "tight", "a@example.org", bodies[0], bodies[1], bodies[2]) // a limit that takes the place of another is no more
	try(409, "tight", "a@example.org", bodies[0], bodies[1], bodies[3])
	try(201, "tight", "a@example.org", bodies[2])
	try(201, "reseller", "a@example.org", bodies...)
	try(201, "all", "a@example.org", bodies...)
	try(409, "tight", "a@example.org", bodies[0], bodies[1], bodies[3])
}

// TestResumesItsOwn: a client with customers resumes what clients of the API have suspended, and not
// what the operator has, as the last suspension was by.
func TestResumesItsOwn(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/accounts/A@example.org", "/domains/example.org", "/customers/acme"} {
		object := strings.TrimSuffix(strings.Split(path, "/")[1], "s") + " " + strings.ToLower(strings.Split(path, "/")[2])
		w.refuses(409, "reseller", "POST", path+"/resume", "") // it is not suspended
		w.refuses(200, "reseller", "POST", path+"/suspend", "")
		w.refuses(200, "reseller", "POST", path+"/resume", "")
		w.suspend(path)
		if a := w.refuses(409, "reseller", "POST", path+"/resume", ""); !a.has(object + " was suspended by the operator") {
			t.Error(a.text)
		}
		w.wants(w.ask("all", "GET", path, ""), `"state":"suspended"`)
		w.refuses(200, "all", "POST", path+"/resume", "")
		w.refuses(200, "all", "POST", path+"/suspend", "")
		w.refuses(200, "reseller", "POST", path+"/resume", "")
		w.wants(w.ask("all", "GET", path, ""), `"state":"active"`)
	}
}

// TestRemarks: an answer says what counts, where it is not what was set alone.
func TestRemarks(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	more := `{"for":{"account":"a@example.org"},"limits":["recipients/hour=50"],"because":"x","until":"` + soon + `"}`
	set := `{"for":{"account":"a@example.org"},"limits":["recipients/hour=100"]%s}`
	w.wants(w.ask("reseller", "POST", "/limits/allowances", more), `"remarks":["nothing limits recipients/hour there now, so that this gives nothing"]`)
	w.wants(w.ask("reseller", "POST", "/limits", fmt.Sprintf(set, "")), `"remarks":[]`)
	w.wants(w.ask("reseller", "POST", "/limits/allowances", more), `"remarks":["with this recipients/hour=200 counts"]`)
	w.wants(w.ask("reseller", "POST", "/limits", fmt.Sprintf(set, `,"until":"`+soon+`"`)), `"remarks":[]`)
	w.wants(w.ask("reseller", "POST", "/limits", fmt.Sprintf(set, "")), `"remarks":["recipients/hour is set, but recipients/hour=100 counts until `+soon+`"]`)
}

// TestDomainAlignment: what becomes of mail that will fail DMARC is shown and changed.
func TestDomainAlignment(t *testing.T) {
	w := newWorld(t)
	w.wants(w.ask("reseller", "GET", "/domains/example.org", ""), `"alignment":"default"`)
	w.wants(w.refuses(200, "reseller", "PATCH", "/domains/example.org", `{"alignment":"hold"}`), `"alignment":"hold"`)
	w.wants(w.ask("reseller", "GET", "/domains", ""), `"alignment":"hold"`)
	w.refuses(409, "reseller", "PATCH", "/domains/example.org", `{"alignment":"hold"}`)
	w.wants(w.refuses(200, "all", "PATCH", "/domains/example.org", `{"alignment":"default"}`), `"alignment":"default"`)
	for _, bad := range []string{`{}`, `{"alignment":""}`, `{"alignment":"maybe"}`} {
		w.refuses(422, "all", "PATCH", "/domains/example.org", bad)
	}
	w.refuses(404, "reseller", "PATCH", "/domains/rival.example", `{"alignment":"off"}`)
	for _, c := range [][3]string{
		{"PATCH", "/plans/small", `{"sender_mode":"maybe"}`},
		{"POST", "/limits", `{"for":{"everything":true},"limits":["messages/day=1"],"action":"maybe"}`},
		{"POST", "/limits", `{"for":{"everything":true},"limits":["connections/at-once=1"],"store_away":"maybe"}`},
	} {
		w.wants(w.refuses(422, "all", c[0], c[1], c[2]), "is one of ")
	}
}

// suspend suspends what is at a path as the operator does.
func (w *world) suspend(path string) {
	w.t.Helper()
	by, ctx := w.by("cli:root"), w.t.Context()
	var err error
	switch name := strings.Split(path, "/")[2]; {
	case strings.HasPrefix(path, "/accounts/"):
		err = by.SuspendAccount(ctx, w.address(name))
	case strings.HasPrefix(path, "/domains/"):
		err = by.SuspendDomain(ctx, "example.org")
	default:
		err = by.SuspendCustomer(ctx, name)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

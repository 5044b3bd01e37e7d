package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/feed"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/store/sqlite"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/resource"
)

// maker makes secrets that nobody verifies.
type maker struct{}

func (maker) MakeSecret(context.Context, string, string, account.CredentialKind, bool) (account.Secret, error) {
	return account.Secret{Hash: "x"}, nil
}

// world is an API on a store with two customers: acme, which has example.org with a@ and b@,
// and rival, which has rival.example with r@.
type world struct {
	t     *testing.T
	store *sqlite.Store
	// listed is what the API is told of it.
	listed  *listed
	handler *api.Handler
	table   []api.Operation
	tokens  map[string]string
	// asked is what the last explanation was asked about.
	asked resource.Question
	// done has the operations that have succeeded.
	done map[string]bool
	// verdict is what the next explanations answer; nil for an accepted message.
	verdict *resource.Verdict
	// listen takes what was set of access lists into memory, as the gate does by itself.
	listen func()
	// by is the administration of accounts, in the name of an actor.
	by func(actor string) *admin.Admin
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{t: t, store: s, listed: &listed{Store: s}, tokens: map[string]string{}, done: map[string]bool{}}
	ids := new(mail.IDSource)
	by := func(actor string) *admin.Admin {
		return admin.New(admin.Options{Store: s, Secrets: maker{}, IDs: ids, Actor: actor})
	}
	w.by = by
	w.fill(by("cli:test"))
	entries := book.New(time.Now)
	follower := book.Follow(s, entries, feed.Options{Logger: slog.New(slog.DiscardHandler)})
	w.listen = func() {
		t.Helper()
		if err := follower.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.table = resource.Table(resource.Options{
		Entries: entries, Store: w.listed, IDs: ids, Now: time.Now, Accounts: by,
		Window: func() time.Duration { return time.Hour },
		Useful: func(of list.Subject, _ list.What) error {
			if of.Kind == list.Listener && of.Name != "submission" {
				return fault.New("x", fault.NotFound, "listener %q does not exist", of.Name)
			}
			return nil
		},
		Place: func(a netip.Addr) list.Place { return list.Place{Client: a, Country: "DE"} },
		Explain: func(_ context.Context, q resource.Question) (*resource.Verdict, error) {
			w.asked = q
			if w.verdict != nil {
				return w.verdict, nil
			}
			return &resource.Verdict{Verdict: "accept", Recipients: len(q.To), Steps: []resource.Step{{Command: "EHLO", Code: 250, Answer: "x"}}, Events: []resource.Event{{Kind: "limit.near"}}}, nil
		},
		Look: func(_ context.Context, _ string, d account.Domain) (shown.Alignment, error) {
			return shown.Alignment{Domain: d.Name, Verdict: "pass"}, nil
		},
	})
	w.handler = api.New(api.Options{Table: w.table, IDs: ids, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	var set client.Set
	for _, o := range []client.Options{{Name: "all"}, {Name: "reseller", Customers: []string{"acme"}, Plans: []string{"small"}}, {Name: "several", Customers: []string{"rival", "n2", "acme", "gone", "n1"}, Plans: []string{"n4", "small", "gone", "n3"}}, {Name: "tight", Customers: []string{"acme"}, MostInForce: 4}} {
		o.Token, o.May, o.PerMinute = client.NewToken(), client.Permissions(), 1_000_000
		w.tokens[o.Name] = o.Token
		set = append(set, client.New(o))
	}
	w.handler.SetClients(set)
	return w
}

func (w *world) fill(by *admin.Admin) {
	w.t.Helper()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	ctx := w.t.Context()
	for _, plan := range []string{"small", "huge"} {
		must(by.AddPlan(ctx, account.Plan{Name: plan}))
	}
	for customer, domain := range map[string]mail.Domain{"acme": "example.org", "rival": "rival.example"} {
		must(by.AddCustomer(ctx, customer, ""))
		must(by.AddDomain(ctx, domain, customer, []account.Key{{Selector: "s", Algorithm: "rsa", Public: "v=DKIM1; p=x", Sealed: []byte("x"), Created: time.Now()}}))
	}
	must(by.AddDomain(ctx, "second.example", "acme", []account.Key{{Selector: "s", Algorithm: "rsa", Public: "v=DKIM1; p=x", Sealed: []byte("x"), Created: time.Now()}}))
	for _, text := range []string{"a@example.org", "b@example.org", "r@rival.example"} {
		a, err := mail.ParseAddress(text)
		must(err)
		must(by.AddAccount(ctx, admin.NewAccount{Address: a, Password: "a long test password"}))
		now := time.Now().UTC()
		must(w.store.KeepRecords(ctx, []guard.Kept{{Record: guard.Record{
			Network: netip.MustParsePrefix("192.0.2.1/32"), Login: text, ClosedFrom: now.Add(-time.Minute), ClosedUntil: now.Add(time.Hour),
		}, End: now.Add(48 * time.Hour)}}, nil))
	}
}

// answer is what came back.
type answer struct {
	status int
	text   string
}

// member returns a member of the answer, as text; of a path of names and numbers of lists.
func (a answer) member(path ...string) string {
	var v any
	if json.Unmarshal([]byte(a.text), &v) != nil {
		return ""
	}
	for _, name := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			if len(at) == 0 {
				return ""
			}
			v = at[0]
		}
	}
	if text, ok := v.(string); ok {
		return text
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// ask sends a request.
func (w *world) ask(who, method, path, body string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Authorization", "Bearer "+w.tokens[who])
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return answer{out.Code, out.Body.String()}
}

// does is ask for what succeeds, by an operation.
func (w *world) does(who, operation, path, body string) answer {
	w.t.Helper()
	i := slices.IndexFunc(w.table, func(o api.Operation) bool { return o.ID == operation })
	if i < 0 {
		w.t.Fatalf("there is no operation %s", operation)
	}
	a := w.ask(who, w.table[i].Method, path, body)
	if a.status >= http.StatusMultipleChoices {
		w.t.Fatalf("%s %s %s: %d %s", who, operation, path, a.status, a.text)
	}
	w.done[operation] = true
	return a
}

// refuses is ask for what does not.
func (w *world) refuses(status int, who, method, path, body string) answer {
	w.t.Helper()
	a := w.ask(who, method, path, body)
	if a.status != status {
		w.t.Errorf("%s %s %s %s: %d, want %d: %s", who, method, path, body, a.status, status, a.text)
	}
	return a
}

// recorded counts the events of a kind by an actor.
func (w *world) recorded(q audit.Query) []audit.Event {
	w.t.Helper()
	found, err := w.store.Search(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (a answer) has(parts ...string) bool {
	for _, p := range parts {
		if !bytes.Contains([]byte(a.text), []byte(p)) {
			return false
		}
	}
	return true
}

// address reads an address.
func (w *world) address(text string) mail.Address {
	w.t.Helper()
	a, err := mail.ParseAddress(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

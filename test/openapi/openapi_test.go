package openapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/account/admin"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/resource"
)

// options are those of an API on an empty store.
func options(t *testing.T) resource.Options {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ids := new(mail.IDSource)
	return resource.Options{
		Store: s, Entries: book.New(time.Now), IDs: ids, Now: time.Now, Window: func() time.Duration { return time.Hour },
		Accounts: func(actor string) *admin.Admin { return admin.New(admin.Options{Store: s, IDs: ids, Actor: actor}) },
		Useful:   func(list.Subject, list.What) error { return nil },
		Place:    func(a netip.Addr) list.Place { return list.Place{Client: a} },
	}
}

// describe reads a description of the API.
func describe(t *testing.T, text []byte) validator.Validator {
	t.Helper()
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := document.BuildV3Model(); err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return v
}

// TestDescription: the description is one by the schema of OpenAPI 3.1, and a broken one is not.
func TestDescription(t *testing.T) {
	text := api.Description(resource.Table(resource.Options{}), "1")
	if ok, errs := describe(t, text).ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
	broken := strings.Replace(string(text), `"in": "query"`, `"in": "nowhere"`, 1)
	if ok, _ := describe(t, []byte(broken)).ValidateDocument(); ok {
		t.Error("a broken description passes")
	}
}

// TestAnswers: what is asked and what is answered is as described.
func TestAnswers(t *testing.T) {
	o := options(t)
	by := o.Accounts("cli:test")
	if err := by.AddCustomer(t.Context(), "acme", ""); err != nil {
		t.Fatal(err)
	}
	table := resource.Table(o)
	h := api.New(api.Options{Table: table, Version: "1", IDs: o.IDs, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	token := client.NewToken()
	h.SetClients(client.Set{client.New(client.Options{Name: "panel", Token: token, May: client.Permissions(), PerMinute: 100_000})})
	v := describe(t, api.Description(table, "1"))
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/bans", `{"network":"192.0.2.0/24","reason":"x","until":"2099-01-01T00:00:00Z"}`, 201},
		{"GET", "/bans?limit=1", "", 200},
		{"POST", "/access/entries", `{"effect":"deny","what":"DE","for":{"customer":"acme"},"reason":"x"}`, 201},
		{"GET", "/access/entries", "", 200},
		{"GET", "/access/clients/192.0.2.1", "", 200},
		{"POST", "/limits", `{"for":{"customer":"acme"},"limits":["recipients/hour=100"],"share":50}`, 201},
		{"POST", "/limits/allowances", `{"for":{"customer":"acme"},"limits":["recipients/hour=100"],"until":"2099-01-01T00:00:00Z","because":"x"}`, 201},
		{"GET", "/limits?all=true", "", 200},
		{"POST", "/customers/acme/suspend", "", 200},
		{"GET", "/customers", "", 200},
		{"GET", "/plans", "", 200},
		{"GET", "/domains", "", 200},
		{"GET", "/guard", "", 200},
		{"GET", "/grants", "", 200},
		{"GET", "/customers/none", "", 404},
		{"GET", "/accounts/nobody@example.org", "", 404},
	} {
		r := httptest.NewRequest(c.method, "http://127.0.0.1"+api.Prefix+c.path, strings.NewReader(c.body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Authorization", "Bearer "+token)
		again := r.Clone(t.Context())
		if c.body != "" {
			r.Header.Set("Content-Type", "application/json")
			again.Header.Set("Content-Type", "application/json")
		}
		again.Body = http.NoBody
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		if out.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, out.Code, out.Body)
			continue
		}
		if c.body != "" {
			asked := httptest.NewRequest(c.method, "http://127.0.0.1"+api.Prefix+c.path, strings.NewReader(c.body))
			asked.Header = again.Header
			if ok, errs := v.ValidateHttpRequest(asked); !ok {
				t.Errorf("%s %s is not as described: %v", c.method, c.path, errs)
			}
		}
		if ok, errs := v.ValidateHttpResponse(again, out.Result()); !ok {
			for _, e := range errs {
				t.Errorf("the answer to %s %s is not as described: %s %s", c.method, c.path, e.Message, e.Reason)
			}
		}
	}
}

package resource_test

import (
	"net/http"
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/web/api"
)

// foreign is how the operations that name something are asked about what is another customer's, by
// what stands in their paths, and with which bodies. An operation that is not here fails the test: say
// of a new one what a reseller must not have of others.
type foreign struct{ path, body string }

// foreigners are all of them, of a world in which rival has a ban, an entry and a limit.
func (w *world) foreigners() map[string]foreign {
	w.t.Helper()
	ban := w.does("all", "addBan", "/bans", `{"network":"192.0.2.0/24","login":"r@rival.example","reason":"rival"}`).member("id")
	w.does("all", "addBan", "/bans", `{"network":"198.51.100.0/24","reason":"rival"}`)
	entry := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"FR","for":{"account":"r@rival.example"},"reason":"rival"}`).member("id")
	w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"203.0.113.0/24","reason":"rival"}`)
	limit := w.does("all", "setLimits", "/limits", `{"for":{"account":"r@rival.example"},"limits":["messages/day=987654321"],"because":"rival"}`).member("limits", "0", "id")
	w.does("all", "setLimits", "/limits", `{"for":{"everything":true},"limits":["messages/day=987654321"],"because":"rival"}`)
	w.does("all", "addGrant", "/grants", `{"account":"r@rival.example","manner":"send-as","for":"@rival.example"}`)
	const whom, set = `{"for":{"account":"r@rival.example"},"limits":["messages/day=1"]`, `"until":"2099-01-01T00:00:00Z","because":"x"}`
	return map[string]foreign{
		"getBan": {"/bans/" + ban, ""}, "addBan": {"/bans", `{"network":"192.0.2.1","login":"r@rival.example","reason":"x"}`}, "liftBan": {"/bans/" + ban, ""},
		"addAccessEntry":    {"/access/entries", `{"effect":"deny","what":"DE","for":{"account":"r@rival.example"},"reason":"x"}`},
		"removeAccessEntry": {"/access/entries/" + entry, ""}, "judgeClient": {"/access/clients/192.0.2.1?login=r@rival.example", ""},
		"setLimits": {"/limits", whom + "}"}, "allowMore": {"/limits/allowances", whom + "," + set}, "liftLimit": {"/limits/" + limit, ""},
		"simulateLimits": {"/limits/simulations", whom + "}"}, "showUsage": {"/accounts/r@rival.example/limits", ""},
		"addGrant":    {"/grants", `{"account":"a@example.org","manner":"send-as","for":"r@rival.example","across_customers":true}`},
		"removeGrant": {"/grants/r@rival.example/send-as/@rival.example", ""},
		"showGuarded": {"/guard/r@rival.example", ""}, "forgetGuarded": {"/guard/r@rival.example", ""},
		"getPlan": {"/plans/huge", ""}, "changePlan": {"/plans/small", `{"max_recipients":7}`},
		"getCustomer": {"/customers/rival", ""}, "changeCustomer": {"/customers/rival", `{"plan":"small"}`}, "suspendCustomer": {"/customers/rival/suspend", ""}, "resumeCustomer": {"/customers/rival/resume", ""},
		"getDomain": {"/domains/rival.example", ""}, "changeDomain": {"/domains/rival.example", `{"alignment":"off"}`}, "suspendDomain": {"/domains/rival.example/suspend", ""},
		"resumeDomain": {"/domains/rival.example/resume", ""}, "lookUpDomain": {"/domains/rival.example/alignment", ""},
		"getAccount": {"/accounts/r@rival.example", ""}, "changeAccount": {"/accounts/r@rival.example", `{"plan":"small"}`}, "suspendAccount": {"/accounts/r@rival.example/suspend", ""}, "resumeAccount": {"/accounts/r@rival.example/resume", ""},
		"explain": {"/explanations", `{"account":"r@rival.example"}`},
		// These list, and take the domain that they list.
		"listAccounts": {"/accounts?domain=rival.example", ""},
	}
}

// TestEveryOperationIsBounded goes through all that there is: what lists shows a client with customers
// nothing of others, whatever else it asks for, and what names something refuses it as what there is
// not, and does nothing.
func TestEveryOperationIsBounded(t *testing.T) {
	w := newWorld(t)
	rows := w.foreigners()
	before := len(w.recorded(audit.Query{Limit: 100_000}))
	for _, o := range w.table {
		row, named := rows[o.ID]
		lists := o.Method == http.MethodGet && !strings.Contains(o.Path, "{")
		switch {
		case named:
			w.fits(&o, row.path)
			if a := w.refuses(404, "reseller", o.Method, row.path, row.body); a.has("987654321") {
				t.Errorf("%s tells %s", o.ID, a.text)
			}
			if lists {
				continue
			}
			if a := w.ask("all", "GET", "/accounts/r@rival.example", ""); !a.has(`"state":"active"`, `"plan":""`) {
				t.Fatalf("%s has changed what is another's: %s", o.ID, a.text)
			}
		case !lists:
			t.Errorf("%s is not among what is tried: say how it is asked about what is another customer's", o.ID)
		default:
			for _, query := range append([]string{""}, flags(&o)...) {
				if a := w.refuses(200, "reseller", "GET", o.Path+query, ""); a.has("rival") || a.has("huge") || a.has("987654321") {
					t.Errorf("%s%s shows what is another's: %s", o.ID, query, a.text)
				}
				if a := w.ask("all", "GET", o.Path+query, ""); !a.has("rival") && !a.has("huge") {
					t.Errorf("%s%s has nothing that could be concealed: %s", o.ID, query, a.text)
				}
			}
		}
		delete(rows, o.ID)
	}
	for id := range rows {
		if id != "listAccounts" {
			t.Errorf("there is no operation %s", id)
		}
	}
	if after := len(w.recorded(audit.Query{Limit: 100_000})); after != before {
		t.Errorf("%d events were recorded: something was changed", after-before)
	}
}

// flags are the queries that ask for more than is listed usually.
func flags(o *api.Operation) (all []string) {
	for _, p := range o.Query {
		if p.Name == "all" {
			all = append(all, "?all=true")
		}
	}
	return all
}

// fits wants a path to be one of an operation.
func (w *world) fits(o *api.Operation, path string) {
	w.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	parts, pattern := strings.Split(path, "/"), strings.Split(o.Path, "/")
	ok := len(parts) == len(pattern)
	for i := 0; ok && i < len(parts); i++ {
		ok = parts[i] == pattern[i] || strings.HasPrefix(pattern[i], "{")
	}
	if !ok {
		w.t.Errorf("%s is not asked at %s", o.ID, path)
	}
}

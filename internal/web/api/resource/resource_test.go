package resource_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
)

// wants fails where an answer lacks something.
func (w *world) wants(a answer, parts ...string) {
	w.t.Helper()
	for _, p := range parts {
		if !a.has(p) {
			w.t.Errorf("no %s in %s", p, a.text)
		}
	}
}

// TestOperations goes through everything that there is, once at least.
func TestOperations(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().UTC().Add(time.Hour).Truncate(time.Second).Format(time.RFC3339)
	w.bans(soon)
	w.entries(soon)
	w.limits(soon)
	w.grants(soon)
	w.guard()
	w.plans()
	w.customers()
	w.accounts()
	w.explain()
	for _, o := range w.table {
		if !w.done[o.ID] {
			t.Errorf("%s was never done", o.ID)
		}
	}
}

func (w *world) bans(soon string) {
	w.t.Helper()
	a := w.does("all", "addBan", "/bans", `{"network":"192.0.2.0/24","reason":"spam","until":"`+soon+`"}`)
	id := a.member("id")
	w.wants(a, `"network":"192.0.2.0/24"`, `"by":"api:all"`, `"state":"holds"`, `"end":"`+soon+`"`, `"overlaps":[]`)
	within := w.does("all", "addBan", "/bans", `{"network":"192.0.2.7","login":"a@example.org","reason":"spam","shadow":true}`)
	if within.member("overlaps", "0", "id") != id {
		w.t.Errorf("nothing is told of the ban around it: %s", within.text)
	}
	w.does("all", "liftBan", "/bans/"+within.member("id"), "")
	if a.status != http.StatusCreated {
		w.t.Error(a.status)
	}
	w.wants(w.refuses(409, "all", "POST", "/bans", `{"network":"192.0.2.0/24","reason":"spam"}`), id)
	w.wants(w.refuses(422, "all", "POST", "/bans", `{"network":"10.0.0.0/7","reason":"spam"}`), `\"force\": true bans it all the same`)
	six := w.does("all", "addBan", "/bans", `{"network":"2001:db8:1:2::5","reason":"spam"}`)
	w.wants(six, `"network":"2001:db8:1:2::/64"`, `"address":"2001:db8:1:2::5"`)
	w.wants(w.does("all", "addBan", "/bans", `{"network":"2001:db8:1:2::5/128","login":"a@example.org","force":true,"reason":"spam"}`), `"network":"2001:db8:1:2::5/128"`)
	w.refuses(422, "all", "POST", "/bans", `{"network":"192.0.2.1/24","reason":"spam"}`)
	w.refuses(422, "all", "POST", "/bans", `{"network":"192.0.2.1","reason":" "}`)
	w.refuses(422, "all", "POST", "/bans", `{"network":"192.0.2.1","reason":"x","until":"2020-01-01T00:00:00Z"}`)
	w.wants(w.refuses(422, "all", "POST", "/bans", `{"network":"192.0.2.1","reason":"x","login":"nonsense"}`), `"name":"login"`)
	w.wants(w.does("all", "getBan", "/bans/"+strings.ToLower(id), ""), id)
	w.wants(w.does("all", "listBans", "/bans?client=192.0.2.77", ""), id)
	if a := w.ask("all", "GET", "/bans?client=198.51.100.1", ""); a.has(id) || a.status != 200 {
		w.t.Error(a.text)
	}
	w.refuses(422, "all", "GET", "/bans?client=x", "")
	w.wants(w.does("all", "liftBan", "/bans/"+id, ""), `"state":"lifted"`, `"lifted_by":"api:all"`)
	w.refuses(409, "all", "DELETE", "/bans/"+id, "")
	w.refuses(404, "all", "DELETE", "/bans/01JZZZZZZZZZZZZZZZZZZZZZZZ", "")
	w.refuses(404, "all", "GET", "/bans/x", "")
	if a := w.ask("all", "GET", "/bans", ""); a.has(id) {
		w.t.Error("a ban that was lifted is listed")
	}
	w.wants(w.ask("all", "GET", "/bans?all=true", ""), id)
	if n := len(w.recorded(audit.Query{Kind: "ban.*", Actor: "api:all"})); n != 6 {
		w.t.Errorf("the record has %d changes of bans", n)
	}
}

func (w *world) entries(soon string) {
	w.t.Helper()
	a := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"DE","for":{"account":"A@example.org"},"reason":"not from there","until":"`+soon+`"}`)
	id := a.member("id")
	w.wants(a, `"kind":"account"`, `"name":"a@example.org"`, `"what":"DE"`, `"closes":false`)
	w.wants(w.does("all", "listAccessEntries", "/access/entries?account=a@example.org", ""), id)
	if a := w.ask("all", "GET", "/access/entries?account=b@example.org", ""); a.has(id) {
		w.t.Error("an entry of another is listed")
	}
	w.listen()
	w.wants(w.does("all", "judgeClient", "/access/clients/192.0.2.1?login=a@example.org", ""), `"outcome":"denied"`, id, `"country":"DE"`)
	w.wants(w.ask("all", "GET", "/access/clients/192.0.2.1?login=b@example.org", ""), `"outcome":"open"`)
	w.wants(w.ask("all", "GET", "/access/clients/192.0.2.1", ""), `"outcome":"open"`)
	w.refuses(404, "all", "GET", "/access/clients/192.0.2.1?login=nobody@example.org", "")
	w.refuses(404, "all", "GET", "/access/clients/192.0.2.1?login=a@example.org&credential=none", "")
	w.refuses(422, "all", "GET", "/access/clients/x", "")
	hole := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"except","what":"DE","for":{"account":"a@example.org"},"reason":"x"}`)
	if hole.member("beside", "id") != id {
		w.t.Errorf("nothing is told of the entry that denies the same: %s", hole.text)
	}
	w.does("all", "removeAccessEntry", "/access/entries/"+hole.member("id"), "")
	w.refuses(409, "all", "POST", "/access/entries", `{"effect":"deny","what":"DE","for":{"account":"a@example.org"},"reason":"x"}`)
	w.refuses(422, "all", "POST", "/access/entries", `{"effect":"deny","what":"XX","reason":"x"}`)
	w.refuses(422, "all", "POST", "/access/entries", `{"effect":"deny","what":"DE","for":{"account":"a@example.org","domain":"example.org"},"reason":"x"}`)
	w.refuses(404, "all", "POST", "/access/entries", `{"effect":"deny","what":"DE","for":{"listener":"none"},"reason":"x"}`)
	w.refuses(404, "all", "POST", "/access/entries", `{"effect":"deny","what":"DE","for":{"account":"nobody@example.org"},"reason":"x"}`)
	w.wants(w.refuses(422, "all", "POST", "/access/entries", `{"effect":"allow","what":"192.0.2.0/24","reason":"x"}`), `\"effect\": \"except\" lets these in`, `\"force\": true allows these alone`)
	credential := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"allow","what":"192.0.2.0/24","for":{"credential":"a@example.org/password"},"reason":"home"}`)
	w.wants(credential, `"kind":"credential"`, `"closes":true`)
	w.wants(w.does("all", "removeAccessEntry", "/access/entries/"+credential.member("id"), ""), `"opens":true`, `"state":"removed"`)
	w.does("all", "removeAccessEntry", "/access/entries/"+id, "")
	w.refuses(409, "all", "DELETE", "/access/entries/"+id, "")
}

func (w *world) limits(soon string) {
	w.t.Helper()
	a := w.does("all", "setLimits", "/limits", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=100","bytes/day=1MiB"],"action":"refuse","because":"new"}`)
	id := a.member("limits", "0", "id")
	w.wants(a, `"measure":"recipients"`, `"max":100`, `"action":"refuse"`, `"max":1048576`, `"by":"api:all"`)
	w.wants(w.does("all", "allowMore", "/limits/allowances", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=+50"],"until":"`+soon+`","because":"a campaign"}`), `"extra":true`, `"max":50`)
	w.wants(w.does("all", "showUsage", "/accounts/a@example.org/limits", ""), `"max":150`, `"left":150`, `"set_for":"account a@example.org, and more allowed"`)
	w.does("all", "setLimits", "/limits", `{"for":{"credential":"a@example.org/password"},"limits":["messages/day=7"],"shadow":true,"no_mail":true}`)
	w.wants(w.does("all", "listLimits", "/limits", ""), `"name":"a@example.org/password"`, `"no_mail":true`)
	w.wants(w.does("all", "setLimits", "/limits", `{"for":{"account":"a@example.org"},"limits":["bytes/day=1MB"],"shadow":true}`), `"max":1000000`, `"shadow":true`, `"remarks":["bytes/day=1000000 is in shadow; bytes/day=1048576 stays and counts"]`)
	w.wants(w.does("all", "listLimits", "/limits?account=a@example.org", ""), `"max":1000000`, `"max":1048576`)
	w.does("all", "setLimits", "/limits", `{"for":{"each":"network"},"limits":["connections/at-once=7"],"store_away":"closed"}`)
	w.does("all", "setLimits", "/limits", `{"for":{"everything":true},"limits":["messages/day=7000"],"share":50}`)
	w.does("all", "setLimits", "/limits", `{"for":{"domain":"example.org"},"limits":["failed-share/day=30"],"least":40}`)
	w.wants(w.ask("all", "GET", "/limits?everything=true", ""), `"max":7000`, `"share":50`)
	if a := w.ask("all", "GET", "/limits?each=network", ""); a.has("7000") || !a.has(`"store_away":"closed"`) {
		w.t.Error(a.text)
	}
	for _, bad := range []string{
		`{"for":{},"limits":["recipients/hour=100"]}`, `{"for":{"account":"a@example.org","everything":true},"limits":["recipients/hour=100"]}`, `{"for":{"everything":true},"limits":[]}`,
		`{"for":{"everything":true},"limits":["nonsense"]}`, `{"for":{"everything":true},"limits":["recipients/hour=9223372036854775808"]}`, `{"for":{"everything":true},"limits":["recipients/hour=-1"]}`,
		`{"for":{"everything":true},"limits":["recipients/hour=0"]}`, `{"for":{"everything":true},"limits":["recipients/hour=1"],"share":0}`, `{"for":{"everything":true},"limits":["recipients/hour=1"],"action":"x"}`,
		`{"for":{"each":"plan"},"limits":["recipients/hour=1"]}`, `{"for":{"everything":true},"limits":["recipients/hour=1"],"store_away":"closed"}`, `{"for":{"everything":true},"limits":["recipients/hour=1"],"least":3}`,
		`{"for":{"everything":true},"limits":["messages/day=1"],"store_away":"open"}`, `{"for":{"everything":true},"limits":["connections/hour=1","messages/day=1"],"store_away":"open"}`,
		`{"for":{"account":"a@example.org"},"limits":["recipients/hour=+500"]}`, `{"for":{"account":"x"},"limits":["recipients/hour=1"]}`, `{"for":{"network":"192.0.2.0/24"},"limits":["recipients/hour=1"]}`,
	} {
		w.refuses(422, "all", "POST", "/limits", bad)
	}
	const both = `{"for":{"domain":"example.org"},"limits":["recipients/hour=100","failed-share/day=20"],"share":25}`
	for _, path := range []string{"/limits", "/limits/simulations"} {
		w.wants(w.refuses(422, "all", "POST", path, both), "failed-share/day is a percentage, of which no account can have a share: leave the share out")
	}
	for _, gone := range []string{`{"node":"none"}`, `{"account":"nobody@example.org"}`, `{"credential":"a@example.org/none"}`, `{"customer":"none"}`, `{"plan":"none"}`} {
		w.refuses(404, "all", "POST", "/limits", `{"for":`+gone+`,"limits":["recipients/hour=1"]}`)
	}
	w.refuses(422, "all", "POST", "/limits/allowances", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=50"],"because":"x"}`)
	w.simulations()
	w.wants(w.does("all", "liftLimit", "/limits/"+id, ""), `"state":"lifted"`)
	w.refuses(409, "all", "DELETE", "/limits/"+id, "")
	w.refuses(404, "all", "GET", "/accounts/nobody@example.org/limits", "")
	w.refuses(422, "all", "GET", "/accounts/a@example.org/limits?from=x", "")
	for _, path := range []string{"/limits?account=x", "/limits?credential=x/password", "/access/entries?account=x", "/limits?network=x", "/limits?domain=-"} {
		w.refuses(422, "all", "GET", path, "")
	}
}

// simulations: of three accepted messages to 10 recipients each, the third would have been over 25.
func (w *world) simulations() {
	w.t.Helper()
	var events []audit.Event
	for i := range 3 {
		events = append(events, audit.Event{At: time.Now().Add(time.Duration(i-9) * time.Second), Kind: audit.Accepted, Login: "a@example.org", Submission: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Data: map[string]string{"recipients": "10", "size": "100", "from": "a@example.org"}})
	}
	if err := w.store.Append(w.t.Context(), events); err != nil {
		w.t.Fatal(err)
	}
	w.wants(w.does("all", "simulateLimits", "/limits/simulations", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=25"]}`), `"messages":3`, `"over_messages":1`, `"name":"a@example.org"`)
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"customer":"rival"},"limits":["recipients/hour=25"]}`), `"messages":0`, `"over":[]`)
	w.wants(w.refuses(422, "all", "POST", "/limits/simulations", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=25"],"since":"2099-01-01T00:00:00Z"}`), "in the future")
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=25"]}`), `"record_begins":"20`)
	recent := time.Now().UTC().Format(time.RFC3339Nano)
	if a := w.ask("all", "POST", "/limits/simulations", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=25"],"since":"`+recent+`"}`); a.has("record_begins") || !a.has(`"messages":0`) {
		w.t.Error(a.text)
	}
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"node":"gone"},"limits":["recipients/hour=25"]}`), `"messages":0`, `"over":[]`)
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"account":"a@example.org"},"limits":["recipients/hour=25"],"action":"slow"}`), `"slowed":1`, `"longest_slowed_seconds":`)
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"domain":"example.org"},"limits":["recipients/hour=20"],"share":50,"shadow":true}`), `"noted":2`, `"first_by_share":true`)
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"credential":"a@example.org/password"},"limits":["recipients/hour=1"]}`), `"messages":0`, `"unplaced_messages":3`)
	w.wants(w.ask("all", "POST", "/limits/simulations", `{"for":{"everything":true},"limits":["connections/hour=1"]}`), `"over":[]`)
	for _, bad := range []string{`{"for":{"account":"a@example.org"},"limits":["recipients/hour=1"],"action":"drop"}`, `{"for":{"account":"a@example.org"},"limits":["recipients/hour=1"],"share":5}`, `{"for":{"network":"192.0.2.1"},"limits":["failed-recipients/hour=1"]}`, `{"for":{"everything":true},"limits":["connections/hour=1"],"action":"hold"}`, `{"for":{"everything":true},"limits":[]}`, `{"for":{},"limits":["recipients/hour=1"]}`} {
		w.refuses(422, "all", "POST", "/limits/simulations", bad)
	}
}

func (w *world) grants(soon string) {
	w.t.Helper()
	a := w.does("all", "addGrant", "/grants", `{"account":"a@example.org","manner":"send-as","for":"@second.example","until":"`+soon+`","because":"asked for"}`)
	w.wants(a, `"for":"@second.example"`, `"by":"api:all"`, `"because":"asked for"`)
	w.wants(w.does("all", "listGrants", "/grants", ""), "@second.example")
	w.wants(w.ask("all", "GET", "/grants?account=a@example.org&domain=second.example", ""), "@second.example")
	if a := w.ask("all", "GET", "/grants?domain=example.org", ""); a.has("second") || a.status != 200 {
		w.t.Error(a.text)
	}
	w.refuses(409, "all", "POST", "/grants", `{"account":"a@example.org","manner":"send-as","for":"@second.example"}`)
	w.refuses(422, "all", "POST", "/grants", `{"account":"a@example.org","manner":"send-as","for":"@rival.example"}`)
	w.refuses(404, "all", "GET", "/grants?account=nobody@example.org", "")
	w.does("all", "removeGrant", "/grants/a@example.org/send-as/@second.example?keep_mail=true", "")
	w.refuses(404, "all", "DELETE", "/grants/a@example.org/send-as/@second.example", "")
	w.refuses(422, "all", "DELETE", "/grants/a@example.org/nonsense/@second.example", "")
}

func (w *world) guard() {
	w.t.Helper()
	w.wants(w.does("all", "listGuarded", "/guard", ""), "a@example.org", "r@rival.example")
	w.refuses(422, "all", "GET", "/guard?limit=0", "")
	w.wants(w.does("all", "showGuarded", "/guard/192.0.2.1", ""), "a@example.org")
	w.wants(w.does("all", "forgetGuarded", "/guard/a@example.org", ""), `"records":1`)
	w.refuses(404, "all", "DELETE", "/guard/a@example.org", "")
	w.refuses(422, "all", "GET", "/guard/nonsense", "")
	if a := w.ask("all", "GET", "/guard", ""); a.has("a@example.org") {
		w.t.Error("what was forgotten is listed")
	}
}

func (w *world) plans() {
	w.t.Helper()
	w.wants(w.does("all", "listPlans", "/plans", ""), "huge", "small")
	w.wants(w.does("all", "changePlan", "/plans/small", `{"max_recipients":7,"sender_mode":"rewrite"}`), `"max_recipients":7`, `"sender_mode":"rewrite"`)
	w.wants(w.does("all", "getPlan", "/plans/small", ""), `"max_recipients":7`)
	w.refuses(404, "all", "GET", "/plans/none", "")
	w.refuses(422, "all", "PATCH", "/plans/small", `{}`)
	w.refuses(422, "all", "PATCH", "/plans/small", `{"max_recipients":-1}`)
}

func (w *world) customers() {
	w.t.Helper()
	w.wants(w.does("all", "listCustomers", "/customers", ""), "acme", "rival")
	w.wants(w.does("all", "changeCustomer", "/customers/acme", `{"plan":"small"}`), `"plan":"small"`)
	w.refuses(404, "all", "PATCH", "/customers/acme", `{"plan":"none"}`)
	w.refuses(422, "all", "PATCH", "/customers/acme", `{}`)
	w.wants(w.does("all", "suspendCustomer", "/customers/acme/suspend", ""), `"state":"suspended"`)
	w.refuses(409, "all", "POST", "/customers/acme/suspend", "")
	w.wants(w.does("all", "getCustomer", "/customers/acme", ""), `"state":"suspended"`)
	w.wants(w.ask("all", "GET", "/accounts/a@example.org", ""), `"can_send":false`, `"suspended_by":["customer acme"]`)
	w.wants(w.does("all", "resumeCustomer", "/customers/acme/resume", ""), `"state":"active"`)
	w.wants(w.does("all", "listDomains", "/domains?customer=acme", ""), "example.org", "second.example")
	w.refuses(404, "all", "GET", "/domains?customer=none", "")
	w.looked("example.org", "will-fail", "reject", "DKIM: nothing is published")
	const found = `"last_look":{"verdict":"will-fail","policy":"reject","reason":"DKIM: nothing is published","at":"20`
	for id, path := range map[string]string{"listDomains": "/domains", "getDomain": "/domains/example.org"} {
		w.wants(w.does("all", id, path, ""), found)
	}
	w.wants(w.does("all", "listDomains", "/domains?customer=acme", ""), found)
	if a := w.ask("all", "GET", "/domains/second.example", ""); a.has("last_look") {
		w.t.Errorf("%s: nobody has looked at it", a.text)
	}
	w.wants(w.does("all", "changeDomain", "/domains/example.org", `{"alignment":"warn"}`), `"alignment":"warn"`)
	w.does("all", "suspendDomain", "/domains/example.org/suspend", "")
	w.wants(w.does("all", "getDomain", "/domains/Example.ORG", ""), `"state":"suspended"`)
	w.does("all", "resumeDomain", "/domains/example.org/resume", "")
	w.wants(w.does("all", "lookUpDomain", "/domains/example.org/alignment", ""), `"verdict":"pass"`)
	w.refuses(404, "all", "GET", "/domains/none.example", "")
	w.refuses(422, "all", "GET", "/domains/-", "")
}

func (w *world) accounts() {
	w.t.Helper()
	w.wants(w.does("all", "listAccounts", "/accounts?domain=example.org", ""), "a@example.org", "b@example.org")
	w.refuses(422, "all", "GET", "/accounts", "")
	w.refuses(404, "all", "GET", "/accounts?domain=none.example", "")
	w.wants(w.does("all", "changeAccount", "/accounts/a@example.org", `{"plan":"huge"}`), `"plan":"huge"`, `"deciding_plan":"huge"`, `"customer":"acme"`)
	w.wants(w.does("all", "changeAccount", "/accounts/a@example.org", `{"plan":""}`), `"deciding_plan":"small"`)
	w.wants(w.does("all", "suspendAccount", "/accounts/a@example.org/suspend", ""), `"state":"suspended"`)
	w.wants(w.does("all", "resumeAccount", "/accounts/a@example.org/resume", ""), `"can_send":true`, `"suspended_by":[]`)
	if a := w.does("all", "getAccount", "/accounts/a@example.org", ""); a.has("hash") || a.has("Hash") {
		w.t.Error(a.text)
	}
	w.refuses(404, "all", "GET", "/accounts/nobody@example.org", "")
	if n := len(w.recorded(audit.Query{Kind: audit.AdminSuspended, Actor: "api:all", Object: "account a@example.org"})); n != 1 {
		w.t.Errorf("the record has %d suspensions", n)
	}
}

func (w *world) explain() {
	w.t.Helper()
	w.wants(w.does("all", "explain", "/explanations", `{"account":"a@example.org","client":"192.0.2.1","from":"","to":["x@example.com","y@example.com"],"message":"Subject: x\n\nx\r\n"}`), `"recipients":2`, "limit.near")
	if q := w.asked; q.Login != "a@example.org" || !q.From.IsNull() || q.Client.String() != "192.0.2.1" || q.Message != "Subject: x\r\n\r\nx\r\n" {
		w.t.Errorf("%+v", q)
	}
	w.does("all", "explain", "/explanations", `{"account":"a@example.org"}`)
	if q := w.asked; q.From.String() != "a@example.org" || len(q.To) != 1 || q.Client.String() != "127.0.0.1" || q.Message != "" || q.Hello != "" {
		w.t.Errorf("%+v", q)
	}
	w.does("all", "explain", "/explanations", `{"account":"a@example.org","hello":"[192.0.2.7]"}`)
	if w.asked.Hello != "[192.0.2.7]" {
		w.t.Errorf("%+v", w.asked)
	}
	for _, bad := range []string{`"two words"`, `"x\r\nMAIL FROM:<a@example.org>"`, `"` + strings.Repeat("x", 300) + `"`} {
		w.wants(w.refuses(422, "all", "POST", "/explanations", `{"account":"a@example.org","hello":`+bad+`}`), "is no name that EHLO has", `"hello"`)
	}
	for _, bad := range []string{`{"account":"x"}`, `{"account":"a@example.org","client":"x"}`, `{"account":"a@example.org","from":"x y"}`, `{"account":"a@example.org","to":["x"]}`} {
		w.refuses(422, "all", "POST", "/explanations", bad)
	}
}

// TestReseller: a client with customers sees nothing of others and changes nothing of theirs;
// what is theirs, and what belongs to nobody, is as if it were not there.
func TestReseller(t *testing.T) {
	w := newWorld(t)
	soon := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	ban := w.does("all", "addBan", "/bans", `{"network":"192.0.2.0/24","reason":"rival"}`).member("id")
	theirs := `{"network":"192.0.2.0/24","login":"r@rival.example","reason":"rival"`
	w.wants(w.refuses(422, "all", "POST", "/bans", theirs+"}"), `would change nothing`, `\"force\": true bans it all the same`)
	theirBan := w.does("all", "addBan", "/bans", theirs+`,"force":true}`).member("id")
	entry := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"FR","reason":"rival"}`).member("id")
	theirEntry := w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"192.0.2.0/24","for":{"credential":"r@rival.example/password"},"reason":"rival"}`).member("id")
	var rules []string
	for _, whom := range []string{`{"everything":true}`, `{"each":"account"}`, `{"plan":"huge"}`, `{"network":"192.0.2.1"}`, `{"customer":"rival"}`, `{"domain":"rival.example"}`, `{"account":"r@rival.example"}`, `{"credential":"r@rival.example/password"}`} {
		rules = append(rules, w.does("all", "setLimits", "/limits", `{"for":`+whom+`,"limits":["messages/day=987654321"],"because":"rival"}`).member("limits", "0", "id"))
	}
	w.does("all", "addGrant", "/grants", `{"account":"r@rival.example","manner":"send-as","for":"@rival.example"}`)

	for _, path := range []string{"/bans?all=true", "/access/entries?all=true", "/limits?all=true", "/grants", "/guard", "/plans", "/customers", "/domains", "/accounts?domain=example.org", "/accounts/a@example.org", "/accounts/a@example.org/limits"} {
		if a := w.refuses(200, "reseller", "GET", path, ""); a.has("rival") || a.has("huge") || path != "/accounts/a@example.org/limits" && a.has("987654321") {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	foreign := []struct{ method, path, body string }{
		{"GET", "/bans/" + ban, ""}, {"GET", "/bans/" + theirBan, ""}, {"DELETE", "/bans/" + ban, ""}, {"DELETE", "/bans/" + theirBan, ""},
		{"POST", "/bans", `{"network":"192.0.2.0/24","login":"x@rival.example","reason":"x"}`},
		{"POST", "/bans", `{"network":"192.0.2.0/24","login":"x@nowhere.example","reason":"x"}`},
		{"DELETE", "/access/entries/" + entry, ""}, {"DELETE", "/access/entries/" + theirEntry, ""}, {"GET", "/access/clients/192.0.2.1", ""}, {"GET", "/access/clients/192.0.2.1?login=r@rival.example", ""},
		{"GET", "/access/entries?account=r@rival.example", ""}, {"GET", "/access/entries?listener=submission", ""},
		{"GET", "/limits?domain=rival.example", ""}, {"GET", "/limits?everything=true", ""}, {"GET", "/limits?each=account", ""}, {"GET", "/limits?plan=small", ""}, {"GET", "/limits?credential=r@rival.example/password", ""},
		{"GET", "/accounts/r@rival.example/limits", ""}, {"GET", "/accounts/a@example.org/limits?from=192.0.2.1", ""},
		{"GET", "/grants?account=r@rival.example", ""}, {"GET", "/grants?domain=rival.example", ""}, {"DELETE", "/grants/r@rival.example/send-as/@rival.example", ""},
		{"POST", "/grants", `{"account":"r@rival.example","manner":"send-as","for":"@example.org"}`},
		{"POST", "/grants", `{"account":"a@example.org","manner":"send-as","for":"@rival.example","across_customers":true}`},
		{"POST", "/grants", `{"account":"a@example.org","manner":"send-as","for":"r@rival.example","across_customers":true}`},
		{"GET", "/guard/r@rival.example", ""}, {"GET", "/guard/192.0.2.1", ""}, {"DELETE", "/guard/r@rival.example", ""}, {"DELETE", "/guard/192.0.2.1", ""},
		{"GET", "/plans/huge", ""}, {"PATCH", "/plans/small", `{"max_recipients":7}`},
		{"GET", "/customers/rival", ""}, {"PATCH", "/customers/rival", `{"plan":"small"}`}, {"PATCH", "/customers/acme", `{"plan":"huge"}`}, {"POST", "/customers/rival/suspend", ""}, {"POST", "/customers/rival/resume", ""},
		{"GET", "/domains?customer=rival", ""}, {"GET", "/domains/rival.example", ""}, {"PATCH", "/domains/rival.example", `{"alignment":"off"}`}, {"POST", "/domains/rival.example/suspend", ""}, {"POST", "/domains/rival.example/resume", ""}, {"GET", "/domains/rival.example/alignment", ""},
		{"GET", "/accounts?domain=rival.example", ""}, {"GET", "/accounts/r@rival.example", ""}, {"PATCH", "/accounts/r@rival.example", `{"plan":"small"}`}, {"PATCH", "/accounts/a@example.org", `{"plan":"huge"}`},
		{"POST", "/accounts/r@rival.example/suspend", ""}, {"POST", "/accounts/r@rival.example/resume", ""}, {"POST", "/explanations", `{"account":"r@rival.example"}`},
	}
	for _, id := range rules {
		foreign = append(foreign, struct{ method, path, body string }{"DELETE", "/limits/" + id, ""})
	}
	for _, whom := range []string{`{"listener":"submission"}`, `{"customer":"rival"}`, `{"domain":"rival.example"}`, `{"account":"r@rival.example"}`, `{"credential":"r@rival.example/password"}`} {
		foreign = append(foreign, struct{ method, path, body string }{"POST", "/access/entries", `{"effect":"deny","what":"DE","for":` + whom + `,"reason":"x"}`})
	}
	for _, whom := range []string{`{"everything":true}`, `{"each":"account"}`, `{"plan":"small"}`, `{"network":"192.0.2.1"}`, `{"node":"n"}`, `{"customer":"rival"}`, `{"domain":"rival.example"}`, `{"account":"r@rival.example"}`, `{"credential":"r@rival.example/password"}`} {
		foreign = append(foreign,
			struct{ method, path, body string }{"POST", "/limits/simulations", `{"for":` + whom + `,"limits":["messages/day=1"]}`},
			struct{ method, path, body string }{"POST", "/limits", `{"for":` + whom + `,"limits":["messages/day=1"]}`},
			struct{ method, path, body string }{"POST", "/limits/allowances", `{"for":` + whom + `,"limits":["messages/day=1"],"until":"` + soon + `","because":"x"}`})
	}
	before := len(w.recorded(audit.Query{Limit: 100_000}))
	for _, f := range foreign {
		w.refuses(404, "reseller", f.method, f.path, f.body)
	}
	w.refuses(422, "reseller", "POST", "/bans", `{"network":"192.0.2.0/24","reason":"x"}`)
	w.refuses(422, "reseller", "POST", "/access/entries", `{"effect":"deny","what":"DE","reason":"x"}`)
	w.refuses(403, "reseller", "PATCH", "/customers/acme", `{"plan":""}`)
	if after := len(w.recorded(audit.Query{Limit: 100_000})); after != before {
		t.Errorf("%d events were recorded: something was changed", after-before)
	}
	w.sameAsNothing()
	w.own(soon)
}

// sameAsNothing: what is another's is answered as what there is not.
func (w *world) sameAsNothing() {
	w.t.Helper()
	for _, path := range []string{"/customers/%s", "/domains/%s.example", "/accounts/r@%s.example", "/accounts/r@%s.example/limits", "/accounts?domain=%s.example", "/domains?customer=%s", "/grants?account=r@%s.example", "/guard/r@%s.example"} {
		text := func(name string) string {
			a := w.refuses(404, "reseller", "GET", fmt.Sprintf(path, name), "")
			return strings.ReplaceAll(a.member("detail"), name, "NAME")
		}
		if theirs, none := text("rival"), text("nowhere"); theirs != none {
			w.t.Errorf("%s: %q of another, %q of what there is not", path, theirs, none)
		}
	}
}

// own: what is its own it sees and changes.
func (w *world) own(soon string) {
	w.t.Helper()
	added := w.does("reseller", "addBan", "/bans", `{"network":"192.0.2.0/25","login":"a@example.org","reason":"x"}`) // it is not told that all are banned there
	ban := added.member("id")
	w.wants(added, `"overlaps":[]`) // there is one of everybody around it, which is nobody's
	w.wants(w.does("reseller", "listBans", "/bans", ""), ban)
	w.wants(w.does("reseller", "liftBan", "/bans/"+ban, ""), `"lifted_by":"api:reseller"`)
	entry := w.does("reseller", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"DE","for":{"credential":"a@example.org/password"},"reason":"x"}`).member("id")
	w.wants(w.does("reseller", "listAccessEntries", "/access/entries", ""), entry)
	w.does("reseller", "removeAccessEntry", "/access/entries/"+entry, "")
	for _, whom := range []string{`{"customer":"acme"}`, `{"domain":"example.org"}`, `{"account":"a@example.org"}`, `{"credential":"a@example.org/password"}`} {
		id := w.does("reseller", "setLimits", "/limits", `{"for":`+whom+`,"limits":["messages/day=7"]}`).member("limits", "0", "id")
		w.wants(w.does("reseller", "listLimits", "/limits", ""), id)
		w.wants(w.does("reseller", "liftLimit", "/limits/"+id, ""), `"lifted_by":"api:reseller"`)
	}
	w.does("reseller", "allowMore", "/limits/allowances", `{"for":{"domain":"example.org"},"limits":["messages/day=7"],"until":"`+soon+`","because":"x"}`)
	w.does("reseller", "addGrant", "/grants", `{"account":"a@example.org","manner":"send-as","for":"@second.example","across_customers":true}`)
	w.does("reseller", "removeGrant", "/grants/a@example.org/send-as/@second.example", "")
	w.does("reseller", "forgetGuarded", "/guard/a@example.org", "")
	w.does("reseller", "changeCustomer", "/customers/acme", `{"plan":"small"}`)
	w.does("reseller", "changeAccount", "/accounts/a@example.org", `{"plan":"small"}`)
	w.does("reseller", "changeAccount", "/accounts/a@example.org", `{"plan":""}`)
	w.does("reseller", "suspendAccount", "/accounts/a@example.org/suspend", "")
	w.does("reseller", "lookUpDomain", "/domains/example.org/alignment", "")
	if a := w.does("reseller", "explain", "/explanations", `{"account":"a@example.org"}`); a.has("limit.near") {
		w.t.Errorf("it sees events that may tell of others: %s", a.text)
	}
}

// TestPagesOfNames: customers, plans and domains come in pages, of which each is asked of the store by itself; those
// of a client with customers have what it sees, and nothing of others.
func TestPagesOfNames(t *testing.T) {
	w := newWorld(t)
	by := w.by("cli:test")
	for n := range 7 {
		name := fmt.Sprintf("n%d", n)
		for _, err := range []error{
			by.AddPlan(t.Context(), account.Plan{Name: name}), by.AddCustomer(t.Context(), name, ""),
			by.AddDomain(t.Context(), mail.Domain(name+".acme.example"), "acme", []account.Key{{Selector: "s", Algorithm: "rsa", Public: "v=DKIM1; p=x", Sealed: []byte("x"), Created: time.Now()}}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	own := []string{"example.org", "n0.acme.example", "n1.acme.example", "n2.acme.example", "n3.acme.example", "n4.acme.example", "n5.acme.example", "n6.acme.example", "second.example"}
	for _, c := range []struct {
		who, path string
		want      []string
	}{
		{"all", "/customers?", []string{"acme", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "rival"}},
		{"all", "/plans?", []string{"huge", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "small"}},
		{"all", "/domains?", slices.Sorted(slices.Values(append([]string{"rival.example"}, own...)))},
		{"all", "/domains?customer=acme&", own},
		{"reseller", "/customers?", []string{"acme"}},
		{"reseller", "/plans?", []string{"small"}},
		{"reseller", "/domains?", own},
		{"several", "/customers?", []string{"acme", "n1", "n2", "rival"}},
		{"several", "/plans?", []string{"n3", "n4", "small"}},
		{"several", "/domains?", slices.Sorted(slices.Values(append([]string{"rival.example"}, own...)))},
	} {
		for _, size := range []int{1, 2, 3, 500} {
			var got []string
			pages, cursor := 0, ""
			for ; pages == 0 || cursor != ""; pages++ {
				path := c.path + "limit=" + strconv.Itoa(size)
				if cursor != "" {
					path += "&cursor=" + cursor
				}
				var page struct {
					Items []struct{ Name string }
					Next  string
				}
				if a := w.ask(c.who, "GET", path, ""); a.status != 200 || json.Unmarshal([]byte(a.text), &page) != nil || len(page.Items) > size {
					t.Fatalf("%s %s: %s", c.who, path, a.text)
				}
				for _, item := range page.Items {
					got = append(got, item.Name)
				}
				cursor = page.Next
			}
			if !slices.Equal(got, c.want) || pages != (len(c.want)+size-1)/size {
				t.Errorf("%s %s by %d: %q in %d pages", c.who, c.path, size, got, pages)
			}
		}
	}
}

// looked stores what the regular look at a domain finds.
func (w *world) looked(domain mail.Domain, verdict, policy, reason string) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	list, err := w.store.TakeLooks(w.t.Context(), []mail.Domain{domain}, rounds.Turn{At: now, Due: now, Lapsed: now})
	if err != nil || len(list) != 1 {
		w.t.Fatal(list, err)
	}
	l := list[0]
	l.At, l.Verdict, l.Policy, l.Reason = now, verdict, policy, reason
	if err := w.store.KeepLook(w.t.Context(), l); err != nil {
		w.t.Fatal(err)
	}
}

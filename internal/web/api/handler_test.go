package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/web"
	"countersign/internal/web/api/client"
)

// world is a Handler with a table of its own.
type world struct {
	*Handler
	now     time.Time
	refused []string
	waited  int
	log     bytes.Buffer
	tokens  map[string]string
}

type nested struct {
	Inner string `json:"inner" text:"x"`
}

type thing struct {
	Name  string    `json:"name" required:"yes" text:"x"`
	Color string    `json:"color" among:"red,green" text:"x"`
	Count *int      `json:"count" text:"x"`
	Until time.Time `json:"until" text:"x"`
	List  []string  `json:"list" text:"x"`
	On    bool      `json:"on" text:"x"`
	In    nested    `json:"in" text:"x"`
}

type item struct {
	Name string `json:"name"`
}

var errSecret = errors.New("the secret cause")

func table() []Operation {
	items := []item{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}}
	fail := func(err error) func(*Request) (any, error) {
		return func(*Request) (any, error) { return nil, err }
	}
	return []Operation{
		{ID: "list", Method: "GET", Path: "/things", May: client.Read, Pages: true, Query: []Parameter{Flag("all", "x"), {Name: "q", Text: "x"}}, Answer: item{}, Run: func(r *Request) (any, error) {
			found := slices.DeleteFunc(slices.Clone(items), func(i item) bool { return i.Name <= r.After() })
			return PageOf(r, found[:min(len(found), r.Wanted())], func(i *item) string { return i.Name }), nil
		}},
		{ID: "get", Method: "GET", Path: "/things/{name}", May: client.Read, Answer: item{}, Run: func(r *Request) (any, error) { return item{r.Path("name")}, nil }},
		{ID: "best", Method: "GET", Path: "/things/best", May: client.Read, Answer: item{}, Run: func(r *Request) (any, error) { return item{"the best"}, nil }},
		{ID: "add", Method: "POST", Path: "/things", May: client.Bans, Body: thing{}, Answer: thing{}, Created: true, Run: func(r *Request) (any, error) { return Body[thing](r), nil }},
		{ID: "drop", Method: "DELETE", Path: "/things/{name}", May: client.Bans, Run: fail(nil)},
		{ID: "break", Method: "POST", Path: "/broken", May: client.Read, Run: fail(&fault.Error{Op: "x", Kind: fault.Corrupt, Detail: "secret detail", Err: errSecret})},
		{ID: "clash", Method: "POST", Path: "/clash", May: client.Read, Run: fail(fault.New("x", fault.Conflict, "there is one; --force takes it"))},
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), tokens: map[string]string{}}
	clock := func() time.Time { return w.now }
	w.Handler = New(Options{
		Table: table(), Version: "1", IDs: &mail.IDSource{}, Now: clock, Wait: func(context.Context) { w.waited++ },
		Refused: func(name string, from netip.Addr, why string) {
			w.refused = append(w.refused, fmt.Sprintf("%s %s %s", name, from, why))
		},
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	var set client.Set
	for _, o := range []client.Options{
		{Name: "all", May: []client.Permission{client.Read, client.Bans}, PerMinute: 100_000},
		{Name: "reader", May: []client.Permission{client.Read}, PerMinute: 100_000},
		{Name: "home", May: []client.Permission{client.Read}, PerMinute: 100_000, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		{Name: "reseller", May: []client.Permission{client.Read}, PerMinute: 100_000, Customers: []string{"acme"}},
		{Name: "second", May: []client.Permission{client.Read}, PerMinute: 100_000, Customers: []string{"bravo"}},
		{Name: "third", May: []client.Permission{client.Read}, PerMinute: 100_000, Customers: []string{"charlie"}},
		{Name: "slow", May: []client.Permission{client.Read}, PerMinute: 20},
	} {
		o.Token = client.NewToken()
		w.tokens[o.Name] = o.Token
		set = append(set, client.New(o))
	}
	w.SetClients(set)
	return w
}

// ask sends a request over TLS from an address.
func (w *world) ask(who, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.TLS = "198.51.100.7:1234", &tls.ConnectionState{}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token, ok := w.tokens[who]; ok {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	w.ServeHTTP(out, r)
	return out
}

// problem reads a problem and checks its form.
func problem(t *testing.T, a *httptest.ResponseRecorder, status int, name string) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		t.Fatalf("no problem: %v: %s", err, a.Body)
	}
	if a.Code != status || p.Status != status || p.Type != "/api/v1/problems/"+name || a.Header().Get("Content-Type") != "application/problem+json" || p.Title == "" || p.Help == "" {
		t.Fatalf("want %d %s: %d %s", status, name, a.Code, a.Body)
	}
	if id := string(p.Request); !mail.ValidID(id) || a.Header().Get("Request-Id") != id {
		t.Fatalf("request id %q, %q", id, a.Header().Get("Request-Id"))
	}
	return p
}

func TestNobodyWithoutToken(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{"", "Bearer", "Bearer ", "Basic " + w.tokens["all"], w.tokens["all"]} {
		r := httptest.NewRequest("GET", "/api/v1/things", nil)
		r.TLS = &tls.ConnectionState{}
		if value != "" {
			r.Header.Set("Authorization", value)
		}
		a := w.do(r)
		problem(t, a, 401, "token")
		if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="countersign"` {
			t.Errorf("%q: %s", value, got)
		}
	}
	if len(w.refused) > 0 || w.waited > 0 {
		t.Errorf("nothing was tried, and yet: %v, %d", w.refused, w.waited)
	}
	r := httptest.NewRequest("GET", "/api/v1/things", nil)
	r.TLS = &tls.ConnectionState{}
	r.Header["Authorization"] = []string{"Bearer " + w.tokens["all"], "Bearer x"}
	problem(t, w.do(r), 401, "token")
	problem(t, w.ask("", "GET", "/api/v1/things?access_token="+w.tokens["all"], ""), 401, "token")
}

func TestWrongTokens(t *testing.T) {
	w := newWorld(t)
	w.tokens["thief"] = client.NewToken()
	for i := range 10 {
		a := w.ask("thief", "GET", "/api/v1/things", "")
		problem(t, a, 401, "token")
		if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="countersign", error="invalid_token"` {
			t.Fatal(got)
		}
		if len(w.refused) != i+1 || w.waited != i+1 {
			t.Fatalf("after %d: %v, %d", i+1, w.refused, w.waited)
		}
	}
	for range 5 {
		a := w.ask("thief", "GET", "/api/v1/things", "")
		problem(t, a, 429, "rate")
		if a.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if len(w.refused) != 10 || w.waited != 10 {
		t.Errorf("%d were recorded, %d waited", len(w.refused), w.waited)
	}
	if got := w.refused[0]; got != " 198.51.100.7 token" {
		t.Error(got)
	}
	if a := w.ask("all", "GET", "/api/v1/things", ""); a.Code != 200 {
		t.Errorf("who has a token is kept out by others: %d", a.Code)
	}
	if strings.Contains(w.log.String()+fmt.Sprint(w.refused), w.tokens["thief"]) {
		t.Error("the log has the token")
	}
	w.now = w.now.Add(time.Minute)
	problem(t, w.ask("thief", "GET", "/api/v1/things", ""), 401, "token")
}

func TestNetworks(t *testing.T) {
	w := newWorld(t)
	a := w.ask("home", "GET", "/api/v1/things", "")
	elsewhere := problem(t, a, 401, "token")
	w.tokens["thief"] = client.NewToken()
	stranger := problem(t, w.ask("thief", "GET", "/api/v1/things", ""), 401, "token")
	elsewhere.Request, stranger.Request = "", ""
	if !reflect.DeepEqual(elsewhere, stranger) {
		t.Errorf("the answer tells that the token is good: %v, %v", elsewhere, stranger)
	}
	if want := []string{"home 198.51.100.7 network", " 198.51.100.7 token"}; !slices.Equal(w.refused, want) {
		t.Errorf("%q", w.refused)
	}
	w.refused = nil
	for range 50 {
		w.ask("thief", "GET", "/api/v1/things", "")
	}
	problem(t, w.ask("home", "GET", "/api/v1/things", ""), 429, "rate") // as for a wrong one
	if n := len(w.refused); n == 0 || w.refused[n-1] != "home 198.51.100.7 network" {
		t.Errorf("wrong tokens hide a stolen one: %q", w.refused)
	}
	r := httptest.NewRequest("GET", "/api/v1/things", nil)
	r.TLS, r.RemoteAddr = &tls.ConnectionState{}, "[::ffff:192.0.2.9]:5"
	r.Header.Set("Authorization", "bearer "+w.tokens["home"])
	if a := w.do(r); a.Code != 200 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestClearText(t *testing.T) {
	w := newWorld(t)
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200, "192.0.2.1:1": 403, "[2001:db8::1]:1": 403, "": 403} {
		r := httptest.NewRequest("GET", "/api/v1/things", nil)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer "+w.tokens["all"])
		a := w.do(r)
		if a.Code != want {
			t.Errorf("%q: %d", from, a.Code)
		}
		if want == 403 {
			problem(t, a, 403, "tls-required")
		}
	}
}

func TestWhatAClientMay(t *testing.T) {
	w := newWorld(t)
	a := w.ask("reader", "POST", "/api/v1/things", `{"name":"x"}`)
	problem(t, a, 403, "not-allowed")
	if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="countersign", error="insufficient_scope", scope="bans"` {
		t.Error(got)
	}
	if a := w.ask("all", "POST", "/api/v1/things", `{"name":"x"}`); a.Code != 201 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := w.ask("all", "DELETE", "/api/v1/things/x", ""); a.Code != 204 || a.Body.Len() > 0 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestRate(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if a := w.ask("slow", "GET", "/api/v1/things", ""); a.Code != 200 {
			t.Fatal(a.Code)
		}
	}
	a := w.ask("slow", "GET", "/api/v1/things", "")
	problem(t, a, 429, "rate")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/api/v1/things/best": "the best", "/api/v1/things/a@b": "a@b", "/api/v1/things/192.0.2.0%2F24": "192.0.2.0/24", "/api/v1/things/%40x": "@x", "/api/v1/things/a+b": "a+b",
	} {
		a := w.ask("all", "GET", path, "")
		var got item
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || got.Name != want {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	for _, path := range []string{"/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/things/", "/api/v1/things//", "/api/v1/things/a/b", "/api/v1/thing", "/api/v1/things/" + strings.Repeat("x", 3000), "/api/v1/problems/none"} {
		problem(t, w.ask("all", "GET", path, ""), 404, "not-found")
	}
	a := w.ask("all", "PUT", "/api/v1/things", "")
	problem(t, a, 405, "method")
	if got := a.Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow: %s", got)
	}
	if a := w.ask("all", "HEAD", "/api/v1/things", ""); a.Code != 200 {
		t.Errorf("HEAD: %d", a.Code)
	}
}

func TestQueries(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		"nope=1": "nope", "all=maybe": "all", "q=1&q=2": "q", "limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "cursor=x": "cursor", "cursor=%21": "cursor", "%zz": "",
	} {
		p := problem(t, w.ask("all", "GET", "/api/v1/things?"+query, ""), 422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Name != want || p.Errors[0].Where != "query" {
			t.Errorf("%s: %v", query, p.Errors)
		}
	}
	p := problem(t, w.ask("all", "GET", "/api/v1/things/x?all=true", ""), 422, "invalid")
	if len(p.Errors) != 1 {
		t.Errorf("%v", p.Errors)
	}
}

// TestPages: all items come once, in order, whatever the size of pages.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for size := 1; size <= 6; size++ {
		var names []string
		cursor := ""
		for pages := 0; ; pages++ {
			a := w.ask("all", "GET", fmt.Sprintf("/api/v1/things?limit=%d%s", size, cursor), "")
			var page struct {
				Items []item `json:"items"`
				Next  string `json:"next"`
			}
			if err := json.Unmarshal(a.Body.Bytes(), &page); err != nil || pages > 5 || page.Items == nil {
				t.Fatalf("%v %s", err, a.Body)
			}
			for _, i := range page.Items {
				names = append(names, i.Name)
			}
			if page.Next == "" {
				break
			}
			if len(page.Items) != size {
				t.Errorf("a page of %d: %v", size, page.Items)
			}
			cursor = "&cursor=" + page.Next
		}
		if strings.Join(names, "") != "abcde" {
			t.Errorf("pages of %d: %v", size, names)
		}
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	good := `{"name":"x","color":"red","count":0,"until":"2027-01-31T18:00:00Z","list":["a"],"on":true,"in":{"inner":"y"}}`
	a := w.ask("all", "POST", "/api/v1/things", good)
	if want := good + "\n"; a.Code != 201 || a.Body.String() != want {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	for body, want := range map[string][]string{
		`{}`: {"name"}, `{"name":"x","b":1,"a":2}`: {"a", "b"}, `{"Name":"x"}`: {"Name", "name"}, `{"name":null}`: {"name"}, `{"name":1}`: {"name"}, `{"name":["x"]}`: {"name"},
		`{"name":"x","color":"blue"}`: {"color"}, `{"name":"x","count":"1"}`: {"count"}, `{"name":"x","count":1.5}`: {"count"}, `{"name":"x","count":99999999999999999999}`: {"count"},
		`{"name":"x","until":"tomorrow"}`: {"until"}, `{"name":"x","until":7}`: {"until"}, `{"name":"x","list":"a"}`: {"list"}, `{"name":"x","list":[null]}`: {"list"}, `{"name":"x","list":[1]}`: {"list"},
		`{"name":"x","on":"true"}`: {"on"}, `{"name":"x","in":{"other":1}}`: {"in.other"}, `{"name":"x","in":[]}`: {"in"}, `{"name":"x","in":{"inner":2},"on":1}`: {"in.inner", "on"},
	} {
		p := problem(t, w.ask("all", "POST", "/api/v1/things", body), 422, "invalid")
		var names []string
		for _, f := range p.Errors {
			names = append(names, f.Name)
			if f.Where != "body" || f.Text == "" {
				t.Errorf("%s: %v", body, f)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %q", body, names)
		}
	}
	for _, body := range []string{`[]`, `{"name":"x","name":"y"}`, `{"name":"x"}{}`, `{"name":"x"`, "{\"name\":\"\xff\"}", strings.Repeat(`{"in":`, 40) + "1" + strings.Repeat("}", 40), "nonsense"} {
		p := problem(t, w.ask("all", "POST", "/api/v1/things", body), 422, "invalid")
		if len(p.Errors) != 0 || p.Detail == "" {
			t.Errorf("%s: %v", body, p)
		}
	}
	problem(t, w.ask("all", "POST", "/api/v1/things", `{"name":"`+strings.Repeat("x", MaxBody)+`"}`), 413, "too-large")
	problem(t, w.ask("all", "POST", "/api/v1/things", ""), 415, "media-type")
	problem(t, w.ask("all", "DELETE", "/api/v1/things/x", "{}"), 422, "invalid")
}

func TestProblems(t *testing.T) {
	w := newWorld(t)
	a := w.ask("all", "POST", "/api/v1/broken", "")
	problem(t, a, 500, "internal")
	if strings.Contains(a.Body.String(), "secret") {
		t.Errorf("the answer tells what is for the log: %s", a.Body)
	}
	if !strings.Contains(w.log.String(), "the secret cause") || !strings.Contains(w.log.String(), "operation=break") || !strings.Contains(w.log.String(), a.Header().Get("Request-Id")) {
		t.Errorf("the log: %s", w.log.String())
	}
	p := problem(t, w.ask("all", "POST", "/api/v1/clash", ""), 409, "conflict")
	if p.Detail != `there is one; "force": true takes it` {
		t.Error(p.Detail)
	}
	for _, d := range problems() {
		r := httptest.NewRequest("GET", "/api/v1/problems/"+d.name, nil)
		if a := w.do(r); a.Code != 200 || !strings.Contains(a.Body.String(), d.help) {
			t.Errorf("%s: %d %s", d.name, a.Code, a.Body)
		}
	}
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Corrupt: 500, fault.Invalid: 422, fault.NotFound: 404, fault.Conflict: 409, fault.Denied: 403, fault.Unauthenticated: 403,
		fault.Busy: 503, fault.Full: 507, fault.TooLarge: 413, fault.Unavailable: 503, fault.Canceled: 503, fault.Fenced: 503,
	}
	for _, k := range fault.Kinds() {
		if got := problemOf(fault.New("x", k, "y")).Status; got != want[k] {
			t.Errorf("%s is %d", k, got)
		}
	}
}

// TestNoClients: nobody is one before the operator has said so.
func TestNoClients(t *testing.T) {
	w := newWorld(t)
	w.SetClients(nil)
	problem(t, w.ask("all", "GET", "/api/v1/things", ""), 401, "token")
}

// TestCostly: of what takes long few run at a time, and the others go on.
func TestCostly(t *testing.T) {
	w := newWorld(t)
	hold, begun := make(chan struct{}), make(chan struct{})
	w.opt.Table = append(w.opt.Table, Operation{ID: "long", Method: "GET", Path: "/long", May: client.Read, Costly: true, Run: func(*Request) (any, error) {
		begun <- struct{}{}
		<-hold
		return nil, nil
	}})
	done := make(chan int, costlyAtOnce)
	for range costlyAtOnce {
		go func() {
			r := httptest.NewRequest("GET", "/api/v1/long", nil)
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("Authorization", "Bearer "+w.tokens["all"])
			out := httptest.NewRecorder()
			x := &Handler{opt: w.opt, attempts: w.attempts, costly: w.costly, resellers: w.resellers}
			x.opt.Logger = slog.New(slog.DiscardHandler)
			x.clients.Store(w.clients.Load())
			x.ServeHTTP(out, r)
			done <- out.Code
		}()
		<-begun
	}
	a := w.ask("all", "GET", "/api/v1/long", "")
	problem(t, a, 503, "busy")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := w.ask("all", "GET", "/api/v1/things", ""); a.Code != 200 {
		t.Error(a.Code)
	}
	close(hold)
	for range costlyAtOnce {
		if code := <-done; code != 204 {
			t.Error(code)
		}
	}
}

// TestCostlyOfReseller: a client with customers of its own has one thing done at a time that takes
// long, and others have theirs beside it.
func TestCostlyOfReseller(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	w.opt.Table = append(w.opt.Table, Operation{ID: "long", Method: "GET", Path: "/long", May: client.Read, Costly: true, Run: func(*Request) (any, error) {
		hold <- struct{}{}
		<-hold
		return nil, nil
	}}, Operation{ID: "short", Method: "GET", Path: "/short", May: client.Read, Costly: true, Run: func(*Request) (any, error) { return nil, nil }})
	w.opt.Logger = slog.New(slog.DiscardHandler) // two write to it
	done := make(chan int)
	go func() { done <- w.ask("reseller", "GET", "/api/v1/long", "").Code }()
	<-hold
	problem(t, w.ask("reseller", "GET", "/api/v1/short", ""), 503, "busy")
	if a := w.ask("all", "GET", "/api/v1/short", ""); a.Code != 204 {
		t.Errorf("another client: %d %s", a.Code, a.Body)
	}
	hold <- struct{}{}
	if code := <-done; code != 204 {
		t.Error(code)
	}
	if a := w.ask("reseller", "GET", "/api/v1/short", ""); a.Code != 204 {
		t.Errorf("afterwards: %d %s", a.Code, a.Body)
	}
}

// TestCostlyOfResellers: clients with customers of their own never have all places of what takes
// long, and each place comes back.
func TestCostlyOfResellers(t *testing.T) {
	w := newWorld(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	w.opt.Table = append(w.opt.Table, Operation{ID: "long", Method: "GET", Path: "/long", May: client.Read, Costly: true, Run: func(*Request) (any, error) {
		begun <- struct{}{}
		<-hold
		return nil, nil
	}}, Operation{ID: "short", Method: "GET", Path: "/short", May: client.Read, Costly: true, Run: func(*Request) (any, error) { return nil, nil }})
	w.opt.Logger = slog.New(slog.DiscardHandler) // several write to it
	done := make(chan int)
	begin := func(who string) {
		go func() { done <- w.ask(who, "GET", "/api/v1/long", "").Code }()
		<-begun
	}
	finish := func() {
		hold <- struct{}{}
		if code := <-done; code != 204 {
			t.Error(code)
		}
	}
	for range 2 { // the second time in the places of the first
		begin("reseller")
		begin("second")
		for range 2 { // who is refused holds nothing
			problem(t, w.ask("third", "GET", "/api/v1/short", ""), 503, "busy")
		}
		if a := w.ask("all", "GET", "/api/v1/short", ""); a.Code != 204 {
			t.Errorf("the operator: %d %s", a.Code, a.Body)
		}
		finish()
		if a := w.ask("third", "GET", "/api/v1/short", ""); a.Code != 204 {
			t.Errorf("in the place of one that has ended: %d %s", a.Code, a.Body)
		}
		finish()
	}
	for range costlyAtOnce { // the operator may have all
		begin("all")
	}
	problem(t, w.ask("third", "GET", "/api/v1/short", ""), 503, "busy")
	for range costlyAtOnce {
		finish()
	}
	if a := w.ask("third", "GET", "/api/v1/short", ""); a.Code != 204 {
		t.Errorf("afterwards: %d %s", a.Code, a.Body)
	}
}

// TestStrangersFillNoLog: of who has no token the log has what the record has, and no more.
func TestStrangersFillNoLog(t *testing.T) {
	w := newWorld(t)
	w.tokens["thief"] = client.NewToken()
	for range 100 {
		for _, who := range []string{"thief", "nobody"} {
			w.ask(who, "GET", "/api/v1/things", "")
			w.ask(who, "GET", "/api/v1/openapi.json", "")
		}
	}
	lines := strings.Count(w.log.String(), "a request of the API")
	if len(w.refused) == 0 || lines != len(w.refused) {
		t.Errorf("%d lines, %d events", lines, len(w.refused))
	}
	w.ask("reader", "GET", "/api/v1/things", "")
	if !strings.Contains(w.log.String(), "client=reader") {
		t.Error("the log has nothing of who has a token")
	}
}

// FuzzRequest: whatever comes is answered with a success or a problem, and nothing panics.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/api/v1/things", "", `{"name":"x","in":{"inner":"y"},"list":["a"]}`)
	f.Add("GET", "/api/v1/things", "limit=2&cursor=MWE", "")
	f.Add("GET", "/api/v1/things/%2F", "all=true", "")
	f.Add("DELETE", "/api/v1/%zz", "%", "{")
	f.Add("POST", "/api/v1/things", "", `{"name":"x","until":"2027-01-31T18:00:00Z","count":-1,"color":"red"}`)
	w := &world{tokens: map[string]string{"all": client.NewToken()}}
	w.Handler = New(Options{Table: table(), IDs: &mail.IDSource{}, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	w.SetClients(client.Set{client.New(client.Options{Name: "all", Token: w.tokens["all"], May: client.Permissions(), PerMinute: 1 << 40})})
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.RemoteAddr, r.URL.RawPath, r.URL.RawQuery = method, "127.0.0.1:1", path, query
		r.URL.Path = path
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+w.tokens["all"])
		a := w.do(r)
		if a.Code == 401 || a.Code == 403 || a.Code == 429 || a.Code >= 500 && !strings.Contains(path, "broken") {
			t.Fatalf("%d %s", a.Code, a.Body)
		}
		if a.Code >= 400 {
			problem(t, a, a.Code, strings.TrimPrefix(mustType(t, a), "/api/v1/problems/"))
		}
	})
}

func mustType(t *testing.T, a *httptest.ResponseRecorder) string {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p.Type
}

// TestProved: the connection of who has a token keeps its place when strangers want it.
func TestProved(t *testing.T) {
	w := newWorld(t)
	s := web.New(web.Options{Mounts: []web.Mount{{Path: Prefix + "/", Name: "api", Handler: w.Handler}}, MaxConnections: 2, Logger: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l, nil)
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	dial := func(from string) net.Conn {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	panel := dial("127.0.0.1")
	answers := bufio.NewReader(panel)
	ask := func() {
		t.Helper()
		fmt.Fprintf(panel, "GET /api/v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.tokens["all"])
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("the panel has lost its place: %v", err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
			t.Fatalf("%d, %v", res.StatusCode, err)
		}
	}
	ask()
	stranger := dial("127.0.0.1")
	dial("127.0.1.1") // of another wide network, for which the oldest stranger makes room
	if err := stranger.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the stranger has kept its place")
	}
	ask()
}

package help

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"countersign/internal/fault"
	"countersign/internal/smtp"
	"countersign/internal/smtp/advice"
)

const id = "01M8DH7Q7KFV8ZMPC5XW7Q3SG5"

func full() Options {
	return Options{
		URL: "https://mail.example.net/help", Name: "Example & Sons", Contact: "support@example.com", Phone: "+49 (30) 123-45",
		Page: "https://www.example.net/support",
	}
}

func get(t *testing.T, p *Pages, target string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w.Result(), w.Body.String()
}

// TestEveryPageIsShown: each page has its text, closes what it opens, loads nothing and runs nothing.
func TestEveryPageIsShown(t *testing.T) {
	p := New(full())
	for _, r := range advice.Reasons() {
		a, _ := advice.For(r)
		res, page := get(t, p, Path+string(r)+"?id="+id)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %v", r, res.StatusCode, res.Header)
		}
		shown := visible(t, page)
		for _, text := range append([]string{a.Title, a.Meaning, a.Provider, id, "Example & Sons", "support@example.com", string(r)}, a.You...) {
			if !strings.Contains(shown, text) {
				t.Errorf("%s: the page lacks %q", r, text)
			}
		}
	}
	_, index := get(t, p, Path)
	for _, r := range advice.Reasons() {
		if !strings.Contains(index, `<a href="`+string(r)+`">`) {
			t.Errorf("the index lacks %s", r)
		}
	}
	visible(t, index)
}

// visible reads a page as a browser does, and returns its text. What a page may not have is an error.
func visible(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Errorf("a value did not pass the template:\n%s", page)
	}
	var text strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "style":
			text.WriteString(n.Data)
		case n.Type == html.ElementNode:
			switch n.Data {
			case "script", "link", "img", "iframe", "form", "object":
				t.Errorf("the page has <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" {
					t.Errorf("<%s %s>", n.Data, a.Key)
				}
			}
		}
	}
	return text.String()
}

// TestHeaders: the policy fits the style sheet, and a page with an id is nobody else's to keep.
func TestHeaders(t *testing.T) {
	p := New(full())
	res, page := get(t, p, Path+"limit-reached")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	if style == nil {
		t.Fatal("no style sheet")
	}
	sum := sha256.Sum256([]byte(style[1]))
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; ") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if got := res.Header.Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("without an id: %q", got)
	}
	res, _ = get(t, p, Path+"limit-reached?id="+id)
	if res.Header.Get("Cache-Control") != "private, max-age=300" || res.Header.Get("X-Robots-Tag") != "noindex" {
		t.Errorf("with an id: %v", res.Header)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("HEAD", Path+"limit-reached", nil))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(len(page)) {
		t.Errorf("HEAD: %d with %d octets, %v", w.Code, w.Body.Len(), w.Header())
	}
	w = httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", Path+"limit-reached", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// TestNothingIsReflected: what is no id is not shown, in no form; nor is a path.
func TestNothingIsReflected(t *testing.T) {
	p := New(full())
	_, plain := get(t, p, Path+"auth-failed")
	for _, bad := range []string{
		"", "<b>", strings.ToLower(id), id + "x", id[1:], " " + id, "01M8DH7Q7KFV8ZMPC5XW7Q3SGU", "'\"><script>alert(1)</script>",
	} {
		if _, page := get(t, p, Path+"auth-failed?id="+url.QueryEscape(bad)); page != plain {
			t.Errorf("id %q changes the page", bad)
		}
	}
	if _, page := get(t, p, Path+"auth-failed?id="+id+"&id="+id); page != plain {
		t.Error("two ids change the page")
	}
	_, missing := get(t, p, Path+"x")
	for _, path := range []string{"<b>", "auth-failed/", "auth-failed/x", "..", "%00", "index", "unknown-command", "AUTH-FAILED"} {
		res, page := get(t, p, Path+url.PathEscape(path))
		if res.StatusCode != 404 || page != missing || res.Header.Get("Cache-Control") != "" {
			t.Errorf("%q: %d", path, res.StatusCode)
		}
	}
}

func TestContact(t *testing.T) {
	o := full()
	p := New(o)
	_, page := get(t, p, Path+"banned?id="+id)
	for _, want := range []string{
		`href="mailto:support@example.com?subject=Mail%20refused:%20banned%20` + id + `"`, `href="tel:&#43;493012345"`, `href="https://www.example.net/support"`,
		"<title>Your network is refused · Example &amp; Sons</title>", `href="https://mail.example.net/help/"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	p.Configure(Options{})
	_, page = get(t, p, Path+"banned")
	for _, not := range []string{"mailto:", "tel:", "Telephone", "<h2>Help</h2>", "example"} {
		if strings.Contains(page, not) {
			t.Errorf("nothing is configured, and the page has %q", not)
		}
	}
}

func TestLink(t *testing.T) {
	p := New(full())
	for reason, want := range map[smtp.Reason]string{
		smtp.ELimitReached: "https://mail.example.net/help/limit-reached", smtp.EBanned: "https://mail.example.net/help/banned",
		smtp.ESyntax: "", "": "", "no-such": "", "index": "",
	} {
		if got := p.Link(reason); got != want {
			t.Errorf("%q: %q, want %q", reason, got, want)
		}
	}
	o := full()
	o.Own = map[string]template.HTML{"syntax": "<p>x</p>", "index": "<p>y</p>"}
	p.Configure(o)
	if got := p.Link(smtp.ESyntax); got != "https://mail.example.net/help/syntax" {
		t.Errorf("a page of the operator's own: %q", got)
	}
	if got := p.Link("index"); got != "" {
		t.Errorf("the index is no refusal: %q", got)
	}
	o.URL = ""
	p.Configure(o)
	if got := p.Link(smtp.ELimitReached); got != "" {
		t.Errorf("without a URL: %q", got)
	}
}

func TestOwnPages(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("limit-reached.html", "<p>Ein Limit ist erreicht: <b>später</b>.</p>")
	put("index.html", "<p>Hilfe</p>")
	put("syntax.html", "<p>Syntax</p>") // of which we have none
	put(".limit-reached.html.swp", "x")
	own, err := ReadPages(dir)
	if err != nil || len(own) != 3 {
		t.Fatalf("%v, %v", own, err)
	}
	o := full()
	o.Own = own
	p := New(o)
	_, page := get(t, p, Path+"limit-reached?id="+id)
	if !strings.Contains(page, "<b>später</b>") || strings.Contains(page, "What you can do") || !strings.Contains(page, id) {
		t.Errorf("the operator's page:\n%s", page)
	}
	if _, page := get(t, p, Path); !strings.Contains(page, "<p>Hilfe</p>") || strings.Count(page, `<a href="limit-reached">`) != 1 ||
		!strings.Contains(page, `<a href="syntax">`) || strings.Contains(page, `<a href="index">`) {
		t.Errorf("the operator's index:\n%s", page)
	}

	put("no-such.html", "x")
	put("banned.txt", "x")
	put("banned.html", " \n")
	put("listed.html", strings.Repeat("x", maxOwn+1))
	put("nul.html", "\xff")
	if err := os.Mkdir(filepath.Join(dir, "timeout.html"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = ReadPages(dir)
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{
		"no-such.html is not named", "banned.txt is not named", "banned.html is empty", "listed.html has more than", "nul.html is not UTF-8", "timeout.html is no file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if _, err := ReadPages(filepath.Join(dir, "away")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// FuzzPages: no path and no query has a page fail, or shows what was asked for.
func FuzzPages(f *testing.F) {
	f.Add("auth-failed", "id="+id)
	f.Add("", "")
	f.Add("x", "id=<script>canary</script>")
	f.Add("canary", "id=canary&id=%zz;")
	p := New(full())
	f.Fuzz(func(t *testing.T, path, query string) {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: Path + path, RawQuery: query}})
		if w.Code != 200 && w.Code != 404 {
			t.Errorf("%d", w.Code)
		}
		if strings.Contains(w.Body.String(), "canary") || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("reflected: %s", w.Body)
		}
	})
}

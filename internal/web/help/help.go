package help

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/smtp/advice"
)

// Path is where Pages are to be mounted.
const Path = "/help/"

// MaxURL bounds Options.URL in octets: with a reason and an id behind it, it has room in one line
// of a reply (RFC 5321 section 4.5.3.1.5).
const MaxURL = 200

// Options are what the operator says. All but URL is shown on the pages.
type Options struct {
	// URL is where the pages are to be found from outside, without a "/" at its end;
	// "" has refusals without links.
	URL string
	// Name is the operator's.
	Name string
	// Contact is the mail address of the helpdesk, Phone its telephone, Page a page about
	// it; each "" for none.
	Contact, Phone, Page string
	// Own are pages of the operator's own by their names, as ReadPages returns them.
	Own map[string]template.HTML
}

// Pages shows the help pages. It is safe for concurrent use.
type Pages struct {
	options atomic.Pointer[Options]
}

// New makes Pages.
func New(o Options) *Pages {
	p := &Pages{}
	p.Configure(o)
	return p
}

// Configure takes other options.
func (p *Pages) Configure(o Options) { p.options.Store(&o) }

// Link returns where the page about a refusal is; "" where there is none, or no URL. An id
// may be added to it as "?id=".
func (p *Pages) Link(reason smtp.Reason) string {
	o := p.options.Load()
	if o.URL == "" || !o.has(reason) {
		return ""
	}
	return o.URL + "/" + string(reason)
}

// has tells whether there is a page about a refusal.
func (o *Options) has(reason smtp.Reason) bool {
	if _, own := o.Own[string(reason)]; own && string(reason) != indexName {
		return true
	}
	_, found := advice.For(reason)
	return found
}

// ServeHTTP answers GET and HEAD.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD") // RFC 9110 section 15.5.6
		http.Error(w, "These pages can be read only.", http.StatusMethodNotAllowed)
		return
	}
	o := p.options.Load()
	v, status := o.view(strings.TrimPrefix(r.URL.Path, Path)), http.StatusOK
	if v == nil {
		v, status = &view{Options: o, Title: "There is no such page", Missing: true}, http.StatusNotFound
	} else if ids := r.URL.Query()["id"]; len(ids) == 1 && mail.ValidID(ids[0]) {
		v.ID = ids[0]
	}
	v.write(w, r, status)
}

// view is what one page shows.
type view struct {
	*Options
	// Title says what the page is about.
	Title string
	// Reason is the refusal, "" on other pages.
	Reason smtp.Reason
	// ID is under which the helpdesk finds what happened, "" where it is not known.
	ID string
	// Advice is ours, Written the operator's in its place.
	Advice  *advice.Advice
	Written template.HTML
	// Listed are the pages that the index lists.
	Listed []listed
	// Missing says that there is no such page.
	Missing bool
}

// untitled is the title of a page that only the operator has.
const untitled = "Your message was refused"

// listed is one line of the index.
type listed struct {
	Reason smtp.Reason
	Title  string
}

// view returns what the page of that name shows, nil where there is none.
func (o *Options) view(name string) *view {
	if name == "" {
		return o.index()
	}
	reason := smtp.Reason(name)
	if !o.has(reason) {
		return nil
	}
	v := &view{Options: o, Reason: reason, Title: untitled, Written: o.Own[name]}
	if a, found := advice.For(reason); found {
		v.Advice, v.Title = &a, a.Title
	}
	return v
}

// index lists all pages.
func (o *Options) index() *view {
	v := &view{Options: o, Title: "Why a message was refused", Written: o.Own[indexName]}
	for _, r := range advice.Reasons() {
		a, _ := advice.For(r)
		v.Listed = append(v.Listed, listed{r, a.Title})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Own)) { // those that the operator alone has
		r := smtp.Reason(name)
		if _, ours := advice.For(r); !ours && o.has(r) {
			v.Listed = append(v.Listed, listed{r, untitled + ": " + name})
		}
	}
	return v
}

// Index is where the list of all pages is.
func (o *Options) Index() string {
	if o.URL == "" {
		return Path
	}
	return o.URL + "/"
}

// Mailto is a link to write to the helpdesk with what it needs to know.
func (v *view) Mailto() string {
	subject := "Mail refused"
	if v.Reason != "" {
		subject += ": " + string(v.Reason)
	}
	if v.ID != "" {
		subject += " " + v.ID
	}
	return "mailto:" + url.PathEscape(v.Contact) + "?subject=" + url.PathEscape(subject)
}

// Tel is a link to call the helpdesk. It has digits and "+" alone.
func (v *view) Tel() template.URL {
	return template.URL("tel:" + strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c == '+' {
			return c
		}
		return -1
	}, v.Phone))
}

// Style is the style sheet.
func (*view) Style() template.CSS { return template.CSS(styleText) }

//go:embed style.css
var styleText string

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy is the Content-Security-Policy of every page: the style sheet in it, and pictures that a page of
// the operator's own has within itself; nothing else.
func policy() string {
	sum := sha256.Sum256([]byte(styleText))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// write sends the page. One with an id is nobody else's to keep.
func (v *view) write(w http.ResponseWriter, r *http.Request, status int) {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, v); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Content-Security-Policy", policy())
	switch {
	case status != http.StatusOK:
	case v.ID != "":
		h.Set("Cache-Control", "private, max-age=300")
		h.Set("X-Robots-Tag", "noindex")
	default:
		h.Set("Cache-Control", "public, max-age=300")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes()) // the reader may be gone
	}
}

package loading

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"countersign/internal/config/option"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/web/help"
)

// web checks [web]; its addresses are checked with all others.
func (v *validator) web() {
	for j, name := range v.c.Web.Certificates {
		v.certificateNamed(option.Element("web.certificates", j), name)
	}
}

// maxHelpText bounds what the help pages name of the operator, in octets.
const maxHelpText = 100

// help checks [help].
func (v *validator) help() {
	h := &v.c.Help
	h.URL = strings.TrimRight(h.URL, "/")
	v.helpURL("help.url", h.URL, len(v.c.Web.Listen) > 0)
	v.ownHelp(h.URL)
	v.helpURL("help.page", h.Page, false)
	if h.Contact != "" {
		if _, err := mail.ParseAddress(h.Contact); err != nil {
			v.Fail("help.contact", `for example "support@example.com"`, "%q is not a mail address", h.Contact)
		}
	}
	for _, text := range []struct{ path, value string }{{"help.name", h.Name}, {"help.phone", h.Phone}} {
		if len(text.value) > maxHelpText || strings.ContainsFunc(text.value, func(c rune) bool { return c < ' ' }) {
			v.Fail(text.path, "", "must be one line of at most %d octets", maxHelpText)
		}
	}
	if h.Phone != "" && strings.Trim(h.Phone, "+0123456789 ()/.-") != "" {
		v.Fail("help.phone", `for example "+49 30 1234567"`, "%q is not a telephone number", h.Phone)
	}
	if h.Pages != "" {
		if _, err := help.ReadPages(h.Pages); err != nil {
			v.Fail("help.pages", "", "%s", cmp.Or(fault.DetailOf(err, fault.Invalid), fault.DetailOf(err, fault.Unavailable)))
		}
	}
}

// helpURL checks a URL that clients are to open. anyPort says that port 0 has a meaning, on loopback.
func (v *validator) helpURL(path, text string, anyPort bool) {
	const form = `for example "https://mail.example.net/help"`
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > help.MaxURL:
		v.Fail(path, "", "has %d octets; at most %d have room in a line of a reply", len(text), help.MaxURL)
	case err != nil || u.Host == "" || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }):
		v.Fail(path, form, "%q is not a URL", text)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.Fail(path, form, "%q has more in it than host and path", text)
	case u.Scheme != "https" && (u.Scheme != "http" || !onLoopback(u)):
		v.Fail(path, form, "%q is not https://, nor http:// on loopback", text)
	case u.Port() == "0" && !(anyPort && onLoopback(u)):
		v.Fail(path, "name the port", "%q has port 0", text)
	}
}

// ownHelp warns of a URL of help pages that leads to the gate itself, to a path that it does not serve. With
// another port, or a name of a host that is not the one that is listened on, a server in front may serve it.
func (v *validator) ownHelp(text string) {
	u, err := url.Parse(text)
	if err != nil || text == "" || u.Path == strings.TrimRight(help.Path, "/") {
		return
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	for _, address := range v.c.Web.Listen {
		host, at, err := net.SplitHostPort(address)
		if err == nil && at == port && v.ownHost(u, host) {
			v.Warn("help.url", `end it in "`+strings.TrimRight(help.Path, "/")+`"`, "%q leads to web.listen %q, where the pages are at %s", text, address, help.Path)
			return
		}
	}
}

// ownHost tells whether a URL leads to the host of an address that is listened on.
func (v *validator) ownHost(u *url.URL, host string) bool {
	listens, err := netip.ParseAddr(host)
	everywhere := host == "" || err == nil && listens.IsUnspecified()
	at, err := netip.ParseAddr(u.Hostname())
	switch {
	case everywhere:
		return onLoopback(u) || strings.EqualFold(u.Hostname(), v.c.Hostname)
	case err == nil:
		return at.Unmap() == listens.Unmap()
	}
	return u.Hostname() == "localhost" && listens.Unmap().IsLoopback() || strings.EqualFold(u.Hostname(), host)
}

// onLoopback tells whether a URL leads to the machine itself.
func onLoopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	at, err := netip.ParseAddr(u.Hostname())
	return err == nil && at.Unmap().IsLoopback()
}

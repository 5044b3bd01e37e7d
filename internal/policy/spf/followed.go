package spf

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/mx"
)

// slash stands for a slash of a name where the library takes one for the length of a
// prefix. No record has it: all of a term is visible ASCII.
const slash = "\x01"

// clientForm is a macro for the client's name: how many labels of it, whether they are
// reversed, and where it is split.
var clientForm = regexp.MustCompile(`%\{([pP])([0-9]*)([rR]?)([-.+,/_=]*)\}`)

// hostForm is what may stand in a record in place of a macro: who has the client's reverse
// zone chooses the name.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$`)

// maxNames is how many names of a client are looked at (RFC 7208 section 4.6.4).
const maxNames = 10

// followed returns a record that the library follows to the end, with the same result: the
// client's name in place of the macros that want it, and no slash in a name.
func (r *resolver) followed(ctx context.Context, domain, record string, terms []term) string {
	words := []string{strings.SplitN(record, " ", 2)[0]}
	for _, t := range terms {
		word := t.text
		if at := strings.IndexAny(word, ":="); t.domain() && at >= 0 {
			target := clientForm.ReplaceAllStringFunc(t.target, func(macro string) string {
				return expand(clientForm.FindStringSubmatch(macro), r.clientName(ctx, domain))
			})
			word = word[:at+1] + outsideMacros(target) + strings.TrimPrefix(word[at+1:], t.target)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// outsideMacros hides the slashes of a domain-spec that are not those of macros.
func outsideMacros(target string) string {
	var b strings.Builder
	last := 0
	for _, m := range macroForm.FindAllStringIndex(target, -1) {
		b.WriteString(strings.ReplaceAll(target[last:m[0]], "/", slash))
		b.WriteString(target[m[0]:m[1]])
		last = m[1]
	}
	b.WriteString(strings.ReplaceAll(target[last:], "/", slash))
	return b.String()
}

// expand is what a macro of clientForm stands for (RFC 7208 section 7.3).
func expand(macro []string, name string) string {
	letter, digits, reverse, delimiters := macro[1], macro[2], macro[3] != "", macro[4]
	if delimiters == "" {
		delimiters = "."
	}
	labels := strings.FieldsFunc(name, func(c rune) bool { return strings.ContainsRune(delimiters, c) })
	if reverse {
		slices.Reverse(labels)
	}
	if n, err := strconv.Atoi(digits); err == nil && n < len(labels) {
		labels = labels[len(labels)-n:]
	}
	name = strings.Join(labels, ".")
	if letter == "P" {
		name = url.QueryEscape(name)
	}
	return name
}

// clientName is the validated name of the client for a domain (RFC 7208 sections 5.5
// and 7.3): the domain itself, else one below it, else any, else "unknown".
func (r *resolver) clientName(ctx context.Context, domain string) string {
	domain, name := plain(domain), "unknown"
	for i, n := range r.names(ctx) {
		switch n = plain(n); {
		case n == domain:
			return n
		case strings.HasSuffix(n, "."+domain) && !strings.HasSuffix(name, "."+domain), i == 0:
			name = n
		}
	}
	return name
}

// names returns the names of the client that lead back to it. Where that cannot be known
// now, the outcome is unsure: RFC 7208 section 5.5 goes on as if there were none.
func (r *resolver) names(ctx context.Context) []string {
	if r.asked {
		return r.validated
	}
	r.asked = true
	names, err := r.LookupAddr(ctx, r.client.String())
	r.unsure = r.unsure || err != nil && !isMissing(err)
	family := mx.A
	if r.client.Is6() {
		family = mx.AAAA
	}
	for _, name := range names[:min(len(names), maxNames)] {
		if !hostForm.MatchString(plain(name)) {
			continue
		}
		a, err := r.ask(ctx, name, family)
		r.unsure = r.unsure || err != nil && !isMissing(err)
		if err == nil && slices.Contains(a.Addresses, r.client) {
			r.validated = append(r.validated, name)
		}
	}
	return r.validated
}

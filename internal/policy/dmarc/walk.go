package dmarc

import (
	"context"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
)

// maxNames is how many names one walk asks for (RFC 9989 section 4.10).
const maxNames = 8

// Discovery is the policy that applies to mail of a domain.
type Discovery struct {
	// Record is the record that applies, nil where there is none.
	Record *Record
	// Policy is what it asks for mail of the domain: by the record's tag for it, and
	// less by a step where the domain says that it tests.
	Policy Policy
	// Several are the domains on the way that have more than one record, so that
	// receivers ignore all of them.
	Several []mail.Domain
}

// Discover finds the policy for an author domain, the one of From (RFC 9989 section
// 4.10.1): its own record, else that of its organisation, else that of the public suffix
// above. Errors: fault.Unavailable, and those of q, where that cannot be known.
func Discover(ctx context.Context, q *inquiry.Inquiry, author mail.Domain) (Discovery, error) {
	w, err := walk(ctx, q, author, true)
	d := Discovery{Record: w.governing(), Several: w.several}
	if err != nil || d.Record == nil {
		return d, err
	}
	exists := true
	if d.Record.Domain != author && d.Record.Missing != d.Record.Subdomains {
		// RFC 9989 section 3.2.13: a domain does not exist where the answer is NXDOMAIN. For an alias of
		// a name that does not, any other question has that answer too (RFC 6604 section 3).
		_, err := q.Ask(ctx, author.String(), mx.CNAME)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return d, err
		}
		exists = err == nil
	}
	d.Policy = d.Record.applied(author, exists)
	return d, nil
}

// Organization finds the domain of the organisation that a domain belongs to (RFC 9989
// section 4.10.2). Errors as Discover.
func Organization(ctx context.Context, q *inquiry.Inquiry, domain mail.Domain) (mail.Domain, error) {
	w, err := walk(ctx, q, domain, false)
	if err != nil {
		return "", err
	}
	return w.organization(), nil
}

// Aligned reports whether another domain is aligned with an author domain: the same, or,
// unless that is strict, of the same organisation (RFC 9989 section 4.4). Errors as Discover.
func Aligned(ctx context.Context, q *inquiry.Inquiry, author, other mail.Domain, strict bool) (bool, error) {
	if author == other || strict || other == "" {
		return author == other, nil
	}
	org, err := Organization(ctx, q, author)
	if err != nil {
		return false, err
	}
	if other != org && !strings.HasSuffix(other.String(), "."+org.String()) {
		return false, nil // no walk from there ends at org
	}
	others, err := Organization(ctx, q, other)
	return err == nil && others == org, err
}

// walked is what a walk up the DNS tree has found.
type walked struct {
	start   mail.Domain
	records []Record // the longest name first
	several []mail.Domain
}

// walk asks for the records of a domain and of those above it (RFC 9989 section 4.10). With
// near it ends at the domain itself where that has one.
func walk(ctx context.Context, q *inquiry.Inquiry, start mail.Domain, near bool) (walked, error) {
	w := walked{start: start}
	for _, name := range names(start) {
		answer, err := q.Ask(ctx, "_dmarc."+name.String(), mx.TXT)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return w, err
		}
		var texts []string
		for _, text := range answer.Texts {
			if isRecord(text) {
				texts = append(texts, text)
			}
		}
		if len(texts) > 1 {
			// Step 2: several records at a name are all discarded.
			w.several = append(w.several, name)
		}
		if len(texts) != 1 {
			continue
		}
		r := parse(name, texts[0])
		w.records = append(w.records, r)
		if r.Suffix != Unsaid || near && name == start {
			break
		}
	}
	return w, nil
}

// names are those that a walk asks for: the domain, then what is above it, from its last
// seven labels on (RFC 9989 section 4.10 steps 4 to 8).
func names(start mail.Domain) []mail.Domain {
	list := []mail.Domain{start}
	labels := strings.Split(start.String(), ".")
	for n := min(len(labels)-1, maxNames-1); n > 0; n-- {
		list = append(list, mail.Domain(strings.Join(labels[len(labels)-n:], ".")))
	}
	return list
}

// organization selects the domain of the organisation (RFC 9989 section 4.10.2).
func (w *walked) organization() mail.Domain {
	org := w.start
	for _, r := range w.records {
		switch {
		case r.Suffix == IsOrganization:
			return r.Domain
		case r.Suffix == IsSuffix && r.Domain != w.start:
			return below(w.start, r.Domain)
		}
		org = r.Domain // the one with the fewest labels is the last
	}
	return org
}

// governing selects the record that applies to the domain where the walk began (RFC 9989
// section 4.10.1), nil where there is none.
func (w *walked) governing() *Record {
	org := w.organization()
	for i := range w.records {
		if d := w.records[i].Domain; d == w.start || d == org {
			return &w.records[i]
		}
	}
	for i := range w.records {
		if w.records[i].Suffix == IsSuffix {
			return &w.records[i]
		}
	}
	return nil
}

// below is the domain one label below suffix on the way to start.
func below(start, suffix mail.Domain) mail.Domain {
	rest := strings.TrimSuffix(start.String(), "."+suffix.String())
	return mail.Domain(rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix.String())
}

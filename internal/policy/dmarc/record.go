package dmarc

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"countersign/internal/mail"
)

// Policy is what a domain asks receivers to do with mail that fails.
type Policy string

// The policies (RFC 9989 section 4.7, tag p). The zero value is that of a domain that asks
// for nothing, since it has no record that counts.
const (
	Nothing    Policy = ""
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Suffix is what a record says of public suffixes (tag psd).
type Suffix string

// The values of psd.
const (
	// Unsaid is the default: the walk up the tree finds out.
	Unsaid Suffix = "u"
	// IsSuffix: organisations are one label below.
	IsSuffix Suffix = "y"
	// IsOrganization: the domain is the one of an organisation.
	IsOrganization Suffix = "n"
)

// Record is a DMARC policy record as receivers read it.
type Record struct {
	// Domain is where it was found; its name in DNS has _dmarc in front.
	Domain mail.Domain
	// Policy, Subdomains and Missing are the tags p, sp and np: for the domain itself,
	// for those below it, and for those below it that do not exist. What is not there is what
	// applies in its place.
	Policy, Subdomains, Missing Policy
	// StrictDKIM and StrictSPF are adkim=s and aspf=s: only the same domain is aligned.
	StrictDKIM, StrictSPF bool
	// Suffix is the tag psd.
	Suffix Suffix
	// Testing is t=y: receivers do one step less than is asked.
	Testing bool
	// Faults says in words what is wrong with the record, in no order that matters.
	Faults []string
}

// version is the first tag of a record, whose value is in capitals (RFC 9989 section 4.8).
var version = regexp.MustCompile(`^[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|$)`)

// isRecord reports whether a text is a DMARC record; others at the name are ignored
// (RFC 9989 section 4.10).
func isRecord(text string) bool { return version.MatchString(text) }

// maxFaults bounds what is said of one record.
const maxFaults = 8

// parse reads a record. What it does not know it passes over, and what is not well-formed
// has its default (RFC 9989 section 4.7).
func parse(domain mail.Domain, text string) Record {
	r := Record{Domain: domain, Suffix: Unsaid}
	tags := r.split(text)
	r.policies(tags)
	r.StrictDKIM = r.choice(tags, "adkim", "r", "s") == "s"
	r.StrictSPF = r.choice(tags, "aspf", "r", "s") == "s"
	r.Suffix = Suffix(r.choice(tags, "psd", string(Unsaid), string(IsSuffix), string(IsOrganization)))
	r.Testing = r.choice(tags, "t", "n", "y") == "y"
	return r
}

// split takes a record into its tags, whose names are of either case. Of several of one name
// the first counts.
func (r *Record) split(text string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		_, twice := tags[name]
		switch {
		case !ok && name == "":
		case !ok || name == "":
			r.fault("%.40q is no tag", strings.Trim(part, " \t"))
		case twice:
			r.fault("the tag %.20s stands there twice", name)
		default:
			tags[name] = value
		}
	}
	return tags
}

func (r *Record) fault(format string, args ...any) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// policies reads p, sp and np. Where one of them is wrong, the record asks for nothing
// but reports, and for nothing at all where it wants none (RFC 9989 section 4.10.1). Without p it
// is one of p=none (section 4.7), and as p is not there, what sp and np say does not count.
func (r *Record) policies(tags map[string]string) {
	p, okP := r.policy(tags, "p", None)
	sp, okSP := r.policy(tags, "sp", p)
	np, okNP := r.policy(tags, "np", sp)
	_, has := tags["p"]
	if !has {
		r.fault("it has no tag p, which older receivers want")
	}
	switch {
	case !okP || !okSP || !okNP:
		if reports(tags["rua"]) {
			r.Policy, r.Subdomains, r.Missing = None, None, None
		}
	case !has:
		r.Policy, r.Subdomains, r.Missing = None, None, None
	default:
		r.Policy, r.Subdomains, r.Missing = p, sp, np
	}
}

// policy reads one of the three, and says whether its value is one.
func (r *Record) policy(tags map[string]string, name string, other Policy) (Policy, bool) {
	value, ok := tags[name]
	if !ok {
		return other, true
	}
	switch p := Policy(strings.ToLower(value)); p {
	case None, Quarantine, Reject:
		return p, true
	}
	r.fault("%s=%.20q is no policy", name, value)
	return other, false
}

// choice reads a tag of one letter; the first of its values is the default.
func (r *Record) choice(tags map[string]string, name string, values ...string) string {
	value, ok := tags[name]
	if !ok {
		return values[0]
	}
	for _, v := range values {
		if strings.EqualFold(v, value) {
			return v
		}
	}
	r.fault("%s=%.20q has no meaning", name, value)
	return values[0]
}

// reports reports whether rua names at least one place.
func reports(rua string) bool {
	for place := range strings.SplitSeq(rua, ",") {
		u, err := url.Parse(strings.Trim(place, " \t"))
		if err == nil && u.Scheme != "" && (u.Opaque != "" || u.Host != "") {
			return true
		}
	}
	return false
}

// applied is what the record asks for mail of a domain, which exists or not.
func (r *Record) applied(domain mail.Domain, exists bool) Policy {
	p := r.Policy
	if domain != r.Domain {
		p = r.Subdomains
		if !exists {
			p = r.Missing
		}
	}
	if !r.Testing {
		return p
	}
	// RFC 9989 section 4.7, tag t: one step less.
	switch p {
	case Reject:
		return Quarantine
	case Quarantine:
		return None
	}
	return p
}

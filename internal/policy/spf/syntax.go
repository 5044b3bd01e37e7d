package spf

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// maxTerms bounds the terms of one record; the ten that may ask DNS fit many times.
const maxTerms = 500

// term is one directive or modifier of a record (RFC 7208 section 4.6.1).
type term struct {
	text     string // as it stands
	modifier bool
	name     string // in lower case
	target   string // the domain-spec, or the macro-string of a modifier; may be ""
}

// The grammar of RFC 7208 section 12, as far as it is regular.
var (
	modifierForm  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]*)=(.*)$`)
	directiveForm = regexp.MustCompile(`^[-+?~]?([A-Za-z][A-Za-z0-9]*)([:/].*)?$`)
	// dualForm is a domain-spec and then the lengths of prefixes: of IPv4 at most 32, of
	// IPv6 at most 128, neither with a leading zero.
	dualForm = regexp.MustCompile(`^(.*?)(?:/(0|[1-9]|[12][0-9]|3[0-2]))?(?://(0|[1-9][0-9]?|1[01][0-9]|12[0-8]))?$`)
	// macroForm is a macro-expand; the letters c, r and t are for explanations alone.
	macroForm = regexp.MustCompile(`%(?:[%_-]|\{[slodiphvSLODIPHV](?:[0-9]*)[rR]?[-.+,/_=]*\})`)
	// topForm is a toplabel.
	topForm = regexp.MustCompile(`^(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])$`)
	// noDigits is a transformer that keeps no label at all (section 7.1).
	noDigits = regexp.MustCompile(`%\{[A-Za-z]0+[^0-9]`)
)

// isRecord reports whether a text is an SPF record: its version, and then a space or
// nothing (RFC 7208 section 4.5). Letters of either case are the same (section 12).
func isRecord(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// parse reads a whole record. The error says in words what is wrong: a syntax error
// anywhere makes all of it void (RFC 7208 section 4.6).
func parse(text string) ([]term, error) {
	words := strings.Split(text, " ")
	if len(words) > maxTerms {
		return nil, fmt.Errorf("it has more than %d terms", maxTerms)
	}
	var terms []term
	seen := map[string]bool{}
	for _, word := range words[1:] {
		if word == "" {
			continue
		}
		t, err := parseTerm(word)
		if err != nil {
			return nil, fmt.Errorf("%.60q %w", word, err)
		}
		// RFC 7208 section 6: redirect and exp stand once at most.
		if t.modifier && (t.name == "redirect" || t.name == "exp") && seen[t.name] {
			return nil, fmt.Errorf("%s= stands there twice", t.name)
		}
		seen[t.name] = true
		terms = append(terms, t)
	}
	return terms, nil
}

// CheckTerm says in words why a text is no term that could stand for addresses of ours
// in a record: a mechanism that passes, with what it names.
func CheckTerm(text string) error {
	if strings.ContainsAny(text, " \t") {
		return fmt.Errorf("%.60q must be one term, without blanks", text)
	}
	t, err := parseTerm(text)
	switch {
	case err != nil:
		return fmt.Errorf("%.60q %w", text, err)
	case t.modifier || strings.IndexByte("-?~", text[0]) >= 0:
		return fmt.Errorf("%.60q does not make mail pass", text)
	case t.name == "all" || t.target == "" && t.name != "ip4" && t.name != "ip6":
		return fmt.Errorf("%.60q does not name what is ours", text)
	}
	return nil
}

func parseTerm(word string) (term, error) {
	if word == "" {
		return term{}, fmt.Errorf("is empty")
	}
	for i := range len(word) {
		if word[i] < 0x21 || word[i] > 0x7e {
			return term{}, fmt.Errorf("has a character that is not visible ASCII")
		}
	}
	if m := modifierForm.FindStringSubmatch(word); m != nil {
		t := term{text: word, modifier: true, name: strings.ToLower(m[1]), target: m[2]}
		if t.name == "redirect" || t.name == "exp" {
			return t, checkDomain(t.target)
		}
		return t, checkMacros(t.target)
	}
	m := directiveForm.FindStringSubmatch(word)
	if m == nil {
		return term{}, fmt.Errorf("is no term of SPF")
	}
	t := term{text: word, name: strings.ToLower(m[1])}
	return t.directive(m[2])
}

// directive reads what follows the name of a mechanism.
func (t term) directive(rest string) (term, error) {
	switch t.name {
	case "all":
		if rest != "" {
			return t, fmt.Errorf("has more than its name")
		}
		return t, nil
	case "ip4", "ip6":
		return t, checkNetwork(t.name, rest)
	case "a", "mx":
		m := dualForm.FindStringSubmatch(rest)
		rest = m[1]
		if rest == "" {
			return t, nil
		}
	case "ptr":
		if rest == "" {
			return t, nil
		}
	case "include", "exists":
	default:
		return t, fmt.Errorf("is no mechanism of SPF")
	}
	target, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return t, fmt.Errorf("does not have the form of %s", t.name)
	}
	t.target = target
	return t, checkDomain(target)
}

// checkNetwork checks what follows ip4 and ip6.
func checkNetwork(name, rest string) error {
	text, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return fmt.Errorf("names no network")
	}
	addr, bits, hasBits := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" || a.Is4() != (name == "ip4") {
		return fmt.Errorf("names no address of %s", name)
	}
	if !hasBits {
		return nil
	}
	prefix, err := netip.ParsePrefix(addr + "/" + bits)
	if err != nil || !prefix.IsValid() {
		return fmt.Errorf("names no network of %s", name)
	}
	return nil
}

// checkDomain checks a domain-spec: macros, and at its end a label that can be a top
// one, or a macro.
func checkDomain(spec string) error {
	if err := checkMacros(spec); err != nil {
		return err
	}
	all := macroForm.FindAllStringIndex(spec, -1)
	if len(all) > 0 && all[len(all)-1][1] == len(spec) {
		return nil
	}
	dot := strings.LastIndexByte(strings.TrimSuffix(spec, "."), '.')
	if dot < 0 || !topForm.MatchString(strings.TrimSuffix(spec, ".")[dot+1:]) {
		return fmt.Errorf("names no domain")
	}
	return nil
}

// checkMacros checks that every percent sign begins a macro.
func checkMacros(s string) error {
	if strings.Contains(macroForm.ReplaceAllString(s, ""), "%") || noDigits.MatchString(s) {
		return fmt.Errorf("has a macro that does not exist")
	}
	return nil
}

// unsure reports whether what a term means depends on the local part of the sender, or on
// what the library does not follow: a macro that splits at slashes.
func (t term) unsure() bool {
	for _, macro := range macroForm.FindAllString(t.target, -1) {
		if len(macro) > 2 && strings.ContainsRune("slSL", rune(macro[2])) || t.domain() && strings.Contains(clientForm.ReplaceAllString(macro, ""), "/") {
			return true
		}
	}
	return false
}

// domain reports whether the target of a term is a name that is asked for.
func (t term) domain() bool { return t.target != "" && (!t.modifier || t.name == "redirect") }

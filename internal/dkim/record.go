package dkim

import "strings"

// Record is the DNS record that publishes a key: a TXT record (RFC 6376 section 3.6.2), or
// the alias of one.
type Record struct {
	// Name is the owner name without a final dot.
	Name string
	// Value is the whole text, however many strings it is published in.
	Value string
	// Target is what Name is to be an alias of (CNAME), without a final dot; then there is
	// no Value.
	Target string
}

// Type is the type of the record.
func (r Record) Type() string {
	if r.Target != "" {
		return "CNAME"
	}
	return "TXT"
}

// Data is what the record has: its whole text, or the name that it points to, with a final
// dot.
func (r Record) Data() string {
	if r.Target != "" {
		return r.Target + "."
	}
	return r.Value
}

// maxTXTString is the longest character-string in octets (RFC 1035 section
// 3.3.14).
const maxTXTString = 255

// Record returns the record to publish for the key.
func (k Key) Record() (Record, error) {
	public, err := k.public()
	if err != nil {
		return Record{}, err
	}
	return Record{
		Name:  k.Selector + "._domainkey." + k.Domain.String(),
		Value: "v=DKIM1; k=" + string(k.Algorithm) + "; p=" + public,
	}, nil
}

// Strings returns the value cut into strings of at most 255 octets, which
// a verifier joins without anything between (RFC 6376 section 3.6.2.2).
func (r Record) Strings() []string {
	var out []string
	rest := r.Value
	for len(rest) > maxTXTString {
		out = append(out, rest[:maxTXTString])
		rest = rest[maxTXTString:]
	}
	return append(out, rest)
}

// ZoneLine returns the record as one line of a zone file (RFC 1035 section
// 5.1), without a line end.
func (r Record) ZoneLine() string {
	if r.Target != "" {
		return r.Name + ". IN CNAME " + r.Data()
	}
	var b strings.Builder
	b.WriteString(r.Name + ". IN TXT")
	for _, s := range r.Strings() {
		b.WriteString(` "` + s + `"`)
	}
	return b.String()
}

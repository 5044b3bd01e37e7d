package turnover

import (
	"crypto/rand"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

// Maker makes sealed signing keys.
type Maker struct {
	Sealer *seal.Sealer
	// Delegated has the keys take turns in two selectors, which a domain points to us
	// once (Alias); else each has a selector of its own.
	Delegated bool
	// Random is where Ed25519 keys come from; nil for the system's source.
	Random io.Reader
}

// Make makes keys for a domain, one of each algorithm, beside those that it has. Errors:
// fault.Conflict where a delegated domain has no selector free, those of the sealer.
func (m Maker) Make(domain mail.Domain, old []account.Key, now time.Time) ([]account.Key, error) {
	random := m.Random
	if random == nil {
		random = rand.Reader
	}
	var keys []account.Key
	for _, algorithm := range dkim.Algorithms() {
		selector, err := m.selector(algorithm, old, now)
		if err != nil {
			return nil, err
		}
		key, err := dkim.Generate(domain, selector, algorithm, random)
		if err != nil {
			return nil, err
		}
		sealed, err := key.Seal(m.Sealer)
		if err != nil {
			return nil, err
		}
		record, err := key.Record()
		if err != nil {
			return nil, err
		}
		keys = append(keys, account.Key{
			Selector: key.Selector, Algorithm: string(algorithm),
			Public: record.Value, Sealed: sealed, Created: now,
		})
	}
	return keys, nil
}

// selector returns one that no key has and, but for delegated ones, none ever had.
func (m Maker) selector(algorithm dkim.Algorithm, old []account.Key, now time.Time) (string, error) {
	taken := func(selector string) bool {
		return slices.ContainsFunc(old, func(k account.Key) bool { return k.Selector == selector })
	}
	if m.Delegated {
		for _, selector := range slots(algorithm) {
			if !taken(selector) {
				return selector, nil
			}
		}
		return "", fault.New("turnover.make", fault.Conflict,
			"both selectors for %s keys are taken: wait until the past keys are removed, or drop them", algorithm)
	}
	free := fresh(algorithm, now)
	for taken(free) {
		free = fresh(algorithm, now)
	}
	return free, nil
}

// letters is how many letters make the selectors of one day differ: a million of them.
const letters = 4

// fresh returns a selector for a key made at a time, for example "cs-rsa-20261127-k3fq".
// What it had earlier a domain may not have any more, so that chance has a part: a
// selector that named another key before would have the mail signed with that fail, and
// be answered with a key that may be known to others (RFC 6376 section 3.1).
func fresh(algorithm dkim.Algorithm, now time.Time) string {
	return "cs-" + string(algorithm) + "-" + now.UTC().Format("20060102") + "-" + strings.ToLower(rand.Text()[:letters])
}

// slots are the two selectors that keys of an algorithm take turns in.
func slots(algorithm dkim.Algorithm) []string {
	return []string{"cs-" + string(algorithm) + "-a", "cs-" + string(algorithm) + "-b"}
}

// Slots are the selectors of delegated domains, of all algorithms.
func Slots() []string {
	var all []string
	for _, algorithm := range dkim.Algorithms() {
		all = append(all, slots(algorithm)...)
	}
	return all
}

// Delegated reports whether a selector is one that a domain points to us.
func Delegated(selector string) bool { return slices.Contains(Slots(), selector) }

// Alias returns the name of a selector at a domain, and where it points to when the
// domain has delegated its selectors to a domain of the operator. Both are without a
// trailing dot. fault.Invalid where that name is too long for DNS (RFC 1035 section 2.3.4).
func Alias(selector string, domain, delegate mail.Domain) (name, target string, err error) {
	name = selector + "._domainkey." + domain.String()
	target = strings.Join([]string{selector, domain.String(), delegate.String()}, ".")
	if len(target) > 253 {
		return "", "", fault.New("turnover.alias", fault.Invalid, "%s is longer than the 253 octets that DNS allows; shorten rekey.delegate", target)
	}
	return name, target, nil
}

// Records are what the zone of the operator has below delegate for the keys of a domain. Errors
// are those of Alias.
func Records(d account.Domain, delegate mail.Domain) ([]dkim.Record, error) {
	var list []dkim.Record
	for _, k := range d.Keys {
		if !Delegated(k.Selector) {
			continue
		}
		_, target, err := Alias(k.Selector, d.Name, delegate)
		if err != nil {
			return nil, err
		}
		list = append(list, dkim.Record{Name: target, Value: k.Public})
	}
	return list, nil
}

package alignment

import (
	"context"
	"slices"
	"strings"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/inquiry"
)

// maxKeys bounds the keys that are looked up.
const maxKeys = 8

// signatures judges what the message is signed with. One signature that verifiers find is enough, if
// its domain is aligned with From (RFC 9989 section 4.4.1). policy is the record that applies, publish
// what publishes a key. strange says that all signatures are of domains that are not aligned: then no
// record mends it that the sender could publish.
func (a *Assessment) signatures(ctx context.Context, q *inquiry.Inquiry, policy *dmarc.Record, publish func(domainkey.Key) dkim.Record) (strange bool) {
	from := a.Question.From
	if len(a.Question.Keys) == 0 {
		a.DKIM = Leg{State: Unknown}
		a.DKIM.reason("mail of %s is not signed here", from)
		return false
	}
	var ours []domainkey.Key
	aligned := map[mail.Domain]Verdict{} // the domains that sign, of which there is one as a rule
	a.DKIM = Leg{State: WillFail}
	for _, key := range rsaFirst(a.Question.Keys) {
		state, known := aligned[key.Domain]
		if !known {
			state = a.signer(ctx, q, policy, key.Domain)
			aligned[key.Domain] = state
		}
		switch state {
		case Pass:
			ours = append(ours, key)
		case Unknown:
			a.DKIM.State = Unknown
		}
	}
	if len(ours) == 0 {
		return a.DKIM.State == WillFail
	}
	a.published(ctx, q, ours, publish)
	return false
}

// signer judges whether a signature of a domain is aligned with From.
func (a *Assessment) signer(ctx context.Context, q *inquiry.Inquiry, policy *dmarc.Record, domain mail.Domain) Verdict {
	from := a.Question.From
	aligned, err := dmarc.Aligned(ctx, q, from, domain, policy != nil && policy.StrictDKIM)
	switch {
	case err != nil:
		a.DKIM.reason("DNS does not answer whether %s, which signs, is aligned with %s", domain, from)
		return Unknown
	case !aligned:
		a.DKIM.reason("%s signs, which is not aligned with %s: use an address of %s in From", domain, from, domain)
		return WillFail
	}
	return Pass
}

// modern is what is wrong with a key where it is all that would pass.
const modern = "an Ed25519 key, which many receivers do not verify"

// published looks each key up whose signature is aligned. An RSA key decides where there is one: all
// verifiers know RSA, and of those of large receivers many do not know Ed25519, though RFC 8463 section
// 5 has them do so. Where all keys are Ed25519, it is not known whether one that is found passes.
func (a *Assessment) published(ctx context.Context, q *inquiry.Inquiry, keys []domainkey.Key, publish func(domainkey.Key) dkim.Record) {
	var found *domainkey.Key // an Ed25519 key
	for _, key := range keys {
		s := domainkey.Check(ctx, q, key)
		state := WillFail
		switch s.State {
		case domainkey.Published:
			state = Pass
		case domainkey.Unknown, domainkey.Several:
			state = Unknown // of several records a verifier may take ours
		}
		switch {
		case isRSA(key), state != Pass && !isRSA(keys[0]):
			a.DKIM.State = better(a.DKIM.State, state)
		case state == Pass:
			found = &key
		}
		if s.State != domainkey.Published {
			a.DKIM.reason("%s", s.Reason)
		}
		if s.State != domainkey.Published && s.State != domainkey.Unknown {
			a.publish(publish(key))
		}
		if s.Testing {
			a.note("the record at %s says that the domain is testing DKIM", key.Name())
		}
	}
	switch {
	case found == nil || a.DKIM.State == Pass:
	case isRSA(keys[0]):
		a.DKIM.Reasons[0] = short(a.DKIM.Reasons[0] + ", and at " + found.Name() + " is " + modern)
	default:
		a.DKIM.State = Unknown
		a.DKIM.Reasons = slices.Insert(a.DKIM.Reasons, 0, short("all there is at "+found.Name()+" is "+modern+": give the domain new keys, one of which is RSA"))
	}
}

// better is the verdict of two of which one is enough.
func better(a, b Verdict) Verdict {
	for _, v := range []Verdict{Pass, Unknown} {
		if a == v || b == v {
			return v
		}
	}
	return WillFail
}

// isRSA reports whether a key is of the kind that every verifier knows (RFC 6376 section 3.3;
// Ed25519 came later, with RFC 8463).
func isRSA(k domainkey.Key) bool { return strings.Contains(k.Record, "k=rsa;") }

// rsaFirst returns the keys that are looked up, first those of RSA.
func rsaFirst(keys []domainkey.Key) []domainkey.Key {
	var first, rest []domainkey.Key
	for _, k := range keys {
		if isRSA(k) {
			first = append(first, k)
		} else {
			rest = append(rest, k)
		}
	}
	all := append(first, rest...)
	return all[:min(len(all), maxKeys)]
}

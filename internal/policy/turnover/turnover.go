// Package turnover says how a domain comes to new signing keys without a message that
// receivers cannot verify: the new ones wait until they are found in DNS, then they
// sign, and the old ones stay, published and unused, until what they have signed has
// arrived.
//
// It asks no DNS and keeps nothing. Package domainkey tells how a key stands, the
// caller stores what Next says.
//
// Main types: Timing, Turn; function Next.
package turnover

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/policy/domainkey"
)

// Timing is how long keys stay what they are.
type Timing struct {
	// Settle is how long all waiting keys of a domain have to be found before they
	// sign: others may have asked for them earlier, and remember that there were none
	// (RFC 2308 section 5).
	Settle time.Duration
	// Keep is how long past keys stay: at least as long as a message waits at most, as
	// it is not signed anew.
	Keep time.Duration
}

// Turn is what becomes of the keys of a domain.
type Turn struct {
	// Keys are all keys as they are then.
	Keys []account.Key
	// Found wait and were found for the first time, Lost are found no more, Begun sign
	// from now on, Ended sign no more, Over are not among Keys any more.
	Found, Lost, Begun, Ended, Over []string
}

// Changes reports whether anything is to be stored.
func (t Turn) Changes() bool {
	return len(t.Found)+len(t.Lost)+len(t.Begun)+len(t.Ended)+len(t.Over) > 0
}

// Text says in words what happens, for the record.
func (t Turn) Text() string {
	var said []string
	for _, part := range []struct {
		selectors []string
		what      string
	}{
		{t.Found, "found in DNS"}, {t.Lost, "not found in DNS any more"}, {t.Begun, "signing from now on"},
		{t.Ended, "not signing any more"}, {t.Over, "removed; what is published of them may go"},
	} {
		if len(part.selectors) > 0 {
			said = append(said, strings.Join(part.selectors, ", ")+" "+part.what)
		}
	}
	return strings.Join(said, "; ")
}

// Next returns what becomes of a domain's keys at a time, when those that wait stand as
// states says by their selectors. All that wait begin together, and all that signed end
// then, so that a message has a signature of each algorithm. A state that is not known is
// no change. keys is not changed.
func Next(keys []account.Key, states map[string]domainkey.State, now time.Time, timing Timing) Turn {
	var t Turn
	ready := Waits(keys)
	for _, k := range keys {
		if k.Stage == account.Waiting {
			k = t.look(k, states[k.Selector], now)
			ready = ready && states[k.Selector] == domainkey.Published && !k.Turned.IsZero() && now.Sub(k.Turned) >= timing.Settle
		}
		if k.Stage == account.Past && now.Sub(k.Turned) >= timing.Keep {
			t.Over = append(t.Over, k.Selector)
			continue
		}
		t.Keys = append(t.Keys, k)
	}
	if ready {
		t.begin(now)
	}
	return t
}

// look notes whether a waiting key is found.
func (t *Turn) look(k account.Key, state domainkey.State, now time.Time) account.Key {
	switch {
	case state == domainkey.Published && k.Turned.IsZero():
		k.Turned = now
		t.Found = append(t.Found, k.Selector)
	case state != domainkey.Published && state != domainkey.Unknown && state != "" && !k.Turned.IsZero():
		k.Turned = time.Time{}
		t.Lost = append(t.Lost, k.Selector)
	}
	return k
}

// begin has those that wait sign, in place of those that did.
func (t *Turn) begin(now time.Time) {
	for i := range t.Keys {
		switch k := &t.Keys[i]; k.Stage {
		case account.Waiting:
			k.Stage, k.Turned = account.Signing, now
			t.Begun = append(t.Begun, k.Selector)
		case account.Signing:
			k.Stage, k.Turned = account.Past, now
			t.Ended = append(t.Ended, k.Selector)
		}
	}
	t.Found = slices.DeleteFunc(t.Found, func(s string) bool { return slices.Contains(t.Begun, s) })
}

// Begin has the waiting keys of a domain sign at once, found or not. It changes nothing
// where none waits.
func Begin(keys []account.Key, now time.Time) Turn {
	t := Turn{Keys: slices.Clone(keys)}
	if Waits(keys) {
		t.begin(now)
	}
	return t
}

// Waits reports whether keys of a domain wait.
func Waits(keys []account.Key) bool {
	return slices.ContainsFunc(keys, func(k account.Key) bool { return k.Stage == account.Waiting })
}

// Wait returns keys as they are until they are found in DNS.
func Wait(keys []account.Key) []account.Key {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].Stage = account.Waiting
	}
	return keys
}

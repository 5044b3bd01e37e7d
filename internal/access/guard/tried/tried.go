// Package tried keeps which wrong secrets were tried of one login in one network: each once, however
// often it was repeated, in bounds, and put together with what other gates know in any order. It has
// the form, too, in which a store keeps that.
//
// Of a secret it has two octets of a keyed digest, which somebody else makes. What so many secrets
// mean is for package guard.
//
// Main types: Secrets, Secret.
package tried

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"countersign/internal/fault"
)

// Most is how many secrets there are at most; the one goes that was seen longest ago.
const Most = 32

// Secret is a wrong one, of which nobody can tell what it was.
type Secret struct {
	Digest uint16
	// First and Last are when it was tried, in seconds since 1970.
	First, Last int64
}

// Compare has the one first that was tried first.
func (s Secret) Compare(other Secret) int {
	return cmp.Or(cmp.Compare(s.First, other.First), cmp.Compare(s.Digest, other.Digest))
}

// byDigest is the order in which they are kept.
func byDigest(a, b Secret) int { return int(a.Digest) - int(b.Digest) }

// Secrets are wrong ones, each once, sorted by Digest, Most of them at most.
type Secrets []Secret

// refresh is how much later a repetition is to be stored: a minute more or less is all the
// same a day later.
const refresh = 10 * time.Minute

// Note notes one, and reports whether it differs from those before, and whether anything is worth
// being stored of that.
func (s *Secrets) Note(digest uint16, now int64) (differs, worth bool) {
	i, found := slices.BinarySearchFunc(*s, Secret{Digest: digest}, byDigest)
	if found {
		at := &(*s)[i]
		worth = now-at.Last >= int64(refresh/time.Second)
		at.Last = max(at.Last, now)
		return false, worth
	}
	*s = slices.Insert(*s, i, Secret{digest, now, now})
	s.bound()
	return true, true
}

// bound forgets the one that was seen longest ago, while there are too many.
func (s *Secrets) bound() {
	for len(*s) > Most {
		oldest := 0
		for i := range *s {
			if (*s)[i].Last < (*s)[oldest].Last {
				oldest = i
			}
		}
		*s = slices.Delete(*s, oldest, oldest+1)
	}
}

// Count counts those that were first tried after one time, and last at another or later.
func (s Secrets) Count(after, since int64) (n int) {
	for i := range s {
		if s[i].First > after && s[i].Last >= since {
			n++
		}
	}
	return n
}

// Last is when the last one was tried; zero for never.
func (s Secrets) Last() (at time.Time) {
	for i := range s {
		if one := time.Unix(s[i].Last, 0).UTC(); one.After(at) {
			at = one
		}
	}
	return at
}

// Merge has the secrets of both, each once. It comes to the same whichever comes first, and however
// often.
func Merge(a, b Secrets) Secrets {
	out := make(Secrets, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x.Digest < y.Digest:
			out, a = append(out, x), a[1:]
		case x.Digest > y.Digest:
			out, b = append(out, y), b[1:]
		default:
			out = append(out, Secret{x.Digest, min(x.First, y.First), max(x.Last, y.Last)})
			a, b = a[1:], b[1:]
		}
	}
	out = append(append(out, a...), b...)
	out.bound()
	return out
}

// Check refuses, as fault.Invalid, what is not of the form that Secrets says.
func (s Secrets) Check() error {
	const op = "guard.check"
	switch {
	case len(s) > Most:
		return fault.New(op, fault.Invalid, "%d wrong secrets are too many", len(s))
	case !slices.IsSortedFunc(s, byDigest):
		return fault.New(op, fault.Invalid, "the digests are not in order")
	}
	return nil
}

// size is how many octets a secret has when it is stored.
const size = 2 + 8 + 8

// Pack returns the octets that stand for them in a store.
func (s Secrets) Pack() []byte {
	out := make([]byte, 0, len(s)*size)
	for _, one := range s {
		out = binary.BigEndian.AppendUint16(out, one.Digest)
		out = binary.BigEndian.AppendUint64(out, uint64(one.First))
		out = binary.BigEndian.AppendUint64(out, uint64(one.Last))
	}
	return out
}

// Unpack undoes Pack. Errors: fault.Corrupt for what it cannot have made.
func Unpack(stored []byte) (list Secrets, err error) {
	const op = "guard.unpack"
	if len(stored)%size != 0 || len(stored) > Most*size {
		return nil, fault.New(op, fault.Corrupt, "%d octets are no digests", len(stored))
	}
	for b := stored; len(b) > 0; b = b[size:] {
		s := Secret{binary.BigEndian.Uint16(b), int64(binary.BigEndian.Uint64(b[2:])), int64(binary.BigEndian.Uint64(b[10:]))}
		if n := len(list); n > 0 && list[n-1].Digest >= s.Digest {
			return nil, fault.New(op, fault.Corrupt, "the digests are not in order")
		}
		list = append(list, s)
	}
	return list, nil
}

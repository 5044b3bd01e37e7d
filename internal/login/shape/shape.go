// Package shape has what the challenges of directories look like (RFC 5802 section 5.1), as
// it is kept in the store for all gates: how long salts are, how many iterations are named,
// and whether a salt stays. With it a name that a directory does not have is shown one and the
// same challenge by every gate, before and after a restart.
//
// Beside that stands what the hashes cost that directories answer with, as failures cost as much.
//
// It has nothing of any account: no name, no salt, no hash. What it is kept for is decided by package
// alike.
//
// Main types: Shape, Store, Memory.
package shape

import (
	"cmp"
	"context"
	"slices"
	"time"

	"countersign/internal/fault"
)

// Place is where challenges come from.
type Place struct {
	// Directory is its name in the configuration, Mechanism that of SASL, or Hashes.
	Directory, Mechanism string
}

// Hashes stands in the place of a mechanism where what is kept is what the hashes of a
// directory cost: a Shape of OfCost for each kind of them.
const Hashes = "hashes"

// OfCost returns the Shape of a cost, which is its Kind, as hash.Cost.String has it.
func OfCost(text string) Shape { return Shape{Kind: Kind(text), Salt: 1, Iterations: 1} }

// Kind is what is known of a Shape.
type Kind string

// The kinds; storetest has every one.
const (
	// Guessed: it was the first that was seen at its place, and whether the salt stays is not
	// known. It is of use while nothing else is known.
	Guessed Kind = "guessed"
	// Own: accounts of the store show it beside the directory's.
	Own Kind = "own"
	// Stays: accounts of the directory show it, and the same salt each time.
	Stays Kind = "stays"
	// Fresh: accounts of the directory show it, and another salt each time, as a directory
	// does that has the password itself and makes the keys anew for each exchange.
	Fresh Kind = "fresh"
)

// kinds are those of challenges.
func kinds() []Kind { return []Kind{Guessed, Own, Stays, Fresh} }

// Shape is what a challenge of SCRAM shows of the keys behind it.
type Shape struct {
	Kind Kind
	// Salt is its length in octets, 1 to MaxSalt; Iterations how often the key was derived,
	// from 1 on.
	Salt, Iterations int
}

const (
	// MaxSalt is the longest salt, in octets.
	MaxSalt = 256
	// Most is how many shapes are kept of a place, beside the guessed one.
	Most = 8
	// MaxName is how long the names of a Place may be, in octets, maxCost a Kind of Hashes.
	MaxName = 128
	maxCost = 40
)

// Check reports, as fault.Invalid, what cannot be kept.
func Check(p Place, s Shape) error {
	switch {
	case p.Directory == "" || p.Mechanism == "" || len(p.Directory) > MaxName || len(p.Mechanism) > MaxName,
		s.Salt < 1 || s.Salt > MaxSalt || s.Iterations < 1,
		(p.Mechanism == Hashes) == slices.Contains(kinds(), s.Kind),
		p.Mechanism == Hashes && (s.Kind == "" || len(s.Kind) > maxCost || s != OfCost(string(s.Kind))):
		return fault.New("shape.keep", fault.Invalid, "no challenge looks like %+v", s)
	}
	return nil
}

// Lasts is for how long a shape is kept of which nothing is seen any more. That salts are new
// each time is a guess by what clients did, so that is forgotten soon.
func (s Shape) Lasts() time.Duration {
	if s.Kind == Fresh {
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}

// Store keeps shapes for all gates that share it. Its methods are safe for concurrent use.
type Store interface {
	// Shapes returns what is kept of a place, by Kind, Salt and Iterations. There are Most and
	// a guessed one at most.
	Shapes(ctx context.Context, p Place) ([]Shape, error)
	// KeepShape notes that a shape was seen at a time, in one transaction that is alone with
	// the place: what Judge says goes, and what it says is kept. fault.Invalid where Check
	// refuses it.
	KeepShape(ctx context.Context, p Place, s Shape, at time.Time) error
}

// Seen is a Shape with when it was seen last.
type Seen struct {
	Shape
	At time.Time
}

// Judge says what becomes of a place at which s is seen: which of those that it has go, as
// nobody has shown them for as long as they last, and whether s is kept, or is there already.
// The first to come stay: what is guessed is kept where there is nothing yet, all else while
// there is room.
func Judge(have []Seen, s Shape, at time.Time) (gone []Shape, keep bool) {
	left := 0
	for _, o := range have {
		switch {
		case o.Shape == s:
			keep = true
		case at.Sub(o.At) > o.Lasts():
			gone = append(gone, o.Shape)
			continue
		}
		if o.Kind != Guessed {
			left++
		}
	}
	if s.Kind == Guessed {
		return gone, keep || len(have) == len(gone)
	}
	return gone, keep || left < Most
}

// Compare orders shapes as Store.Shapes does.
func Compare(a, b Shape) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Salt, b.Salt), cmp.Compare(a.Iterations, b.Iterations))
}

// Sort sorts shapes as Store.Shapes does.
func Sort(list []Shape) { slices.SortFunc(list, Compare) }

// Package rotation seals anew what is in a store, with the key that a key file has in
// front, and tells which keys seal how much. It works beside gates and commands that
// change the same things: each is exchanged only as long as it is what was read.
//
// It makes no keys and changes no key file; that is for package seal.
//
// Main types: Store, Result; Run and Count do it.
package rotation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"countersign/internal/fault"
	"countersign/internal/seal"
)

// Piece is one sealed secret in a store.
type Piece struct {
	Purpose seal.Purpose
	// Name is what the secret is bound to.
	Name string
	// Owner and Part are where it stands: a domain and a selector, the key of what
	// ACME obtained and "", the id of a credential and a mechanism.
	Owner, Part string
	// Sealed is as it stands there.
	Sealed []byte
}

// Exchange is a piece with the form that is to take its place.
type Exchange struct {
	Piece
	Anew []byte
}

// Store keeps what is sealed; an engine implements it. Methods are called beside all
// others.
type Store interface {
	// Sealed returns the pieces of the next owners behind that one, "" for the first,
	// at most limit of them, and the last owner that it has looked at: "" where there
	// is none any more.
	Sealed(ctx context.Context, p seal.Purpose, after string, limit int) (pieces []Piece, last string, err error)
	// Reseal makes those exchanges whose pieces are still as given, in one
	// transaction, and says how many. What was sealed before does not come back by who
	// read it earlier: the revision of a domain is raised, so that it cannot be put,
	// and an account that is put keeps its keys as they are stored, where their password
	// is the same. Nothing is decided by the form of a secret, so the generation stays,
	// and no message that is under way is refused for it.
	Reseal(ctx context.Context, list []Exchange) (done int, err error)
}

// Progress is told of each portion: how many pieces were seen, and sealed anew, in
// all passes so far.
type Progress func(seen, anew int)

// Result says what Run did.
type Result struct {
	// Anew are the pieces that were sealed anew, by purpose.
	Anew map[seal.Purpose]int
	// Closed are pieces that cannot be opened, and why, at most maxTold of them;
	// NotOpened counts all. They stay as they were.
	Closed    []string
	NotOpened int
}

// Total counts what was sealed anew.
func (r *Result) Total() (n int) {
	for _, of := range r.Anew {
		n += of
	}
	return n
}

const (
	// portion is how many owners are read, and their pieces exchanged, at once: mail
	// flows between two portions, and an interruption loses one at most.
	portion = 100
	// maxTold bounds Result.Closed.
	maxTold = 10
	// passes bounds how often the store is walked. What is put behind the back of
	// one pass, sealed with an earlier key, is met by the next.
	passes = 5
)

// run is one Run.
type run struct {
	store    Store
	sealer   *seal.Sealer
	progress Progress
	result   Result
	seen     int
	// left counts what this pass has met that is not sealed with the first key at
	// its end, though it can be opened.
	left int
}

// Run seals anew all that is not sealed with the first key of s, portion by portion,
// until it finds nothing. It can be ended by ctx at any time, and done again: the
// result then says what was done, with the error. fault.Busy where others put what is sealed
// with an earlier key as fast as it goes. progress may be nil.
func Run(ctx context.Context, store Store, s *seal.Sealer, progress Progress) (Result, error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	r := &run{store: store, sealer: s, progress: progress, result: Result{Anew: map[seal.Purpose]int{}}}
	for range passes {
		r.left, r.result.Closed, r.result.NotOpened = 0, nil, 0
		before := r.result.Total()
		for _, p := range seal.Purposes() {
			if err := r.purpose(ctx, p); err != nil {
				return r.result, err
			}
		}
		if r.left == 0 && r.result.Total() == before {
			return r.result, nil
		}
	}
	return r.result, fault.New("rotation.run", fault.Busy, "something goes on sealing with an earlier key: let each gate read the key file, and do it again")
}

// purpose walks what is sealed for one purpose.
func (r *run) purpose(ctx context.Context, p seal.Purpose) error {
	return walk(ctx, r.store, p, func(pieces []Piece) error {
		r.seen += len(pieces)
		list := r.exchanges(pieces)
		if len(list) > 0 {
			done, err := r.store.Reseal(ctx, list)
			if err != nil {
				return err
			}
			r.result.Anew[p] += done
			r.left += len(list) - done
		}
		r.progress(r.seen, r.result.Total())
		return nil
	})
}

// exchanges makes the new form of those pieces that need one.
func (r *run) exchanges(pieces []Piece) (list []Exchange) {
	for _, piece := range pieces {
		anew, changed, err := r.sealer.Reseal(piece.Purpose, piece.Name, piece.Sealed)
		switch {
		case err != nil:
			r.result.NotOpened++
			if len(r.result.Closed) < maxTold {
				r.result.Closed = append(r.result.Closed, fmt.Sprintf("%s: %v", piece.where(), err))
			}
		case changed:
			list = append(list, Exchange{piece, anew})
		}
	}
	return list
}

// where names a piece.
func (p *Piece) where() string {
	text := string(p.Purpose) + " " + p.Owner
	if p.Part != "" {
		text += " " + p.Part
	}
	return text
}

// walk shows all pieces of a purpose to each, in portions.
func walk(ctx context.Context, store Store, p seal.Purpose, each func([]Piece) error) error {
	for after := ""; ; {
		if err := ctx.Err(); err != nil {
			return fault.Wrap("rotation.walk", fault.Canceled, err)
		}
		pieces, last, err := store.Sealed(ctx, p, after, portion)
		if err != nil || last == "" {
			return err
		}
		if err := each(pieces); err != nil {
			return err
		}
		after = last
	}
}

// Counts says how much each key seals, by its id and the purpose; under the id ""
// stands what is not sealed, so damaged.
type Counts map[string]map[seal.Purpose]int

// Of returns how much a key seals in all.
func (c Counts) Of(id string) (n int) {
	for _, of := range c[id] {
		n += of
	}
	return n
}

// Count looks at everything that is sealed.
func Count(ctx context.Context, store Store) (Counts, error) {
	counts := Counts{}
	for _, p := range seal.Purposes() {
		err := walk(ctx, store, p, func(pieces []Piece) error {
			for i := range pieces {
				id := seal.KeyOf(pieces[i].Sealed)
				if counts[id] == nil {
					counts[id] = map[seal.Purpose]int{}
				}
				counts[id][p]++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// Other returns the keys that something is sealed with beside these, sorted.
func (c Counts) Other(known []string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(c)) {
		if !slices.Contains(known, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

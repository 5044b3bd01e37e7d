package node

import (
	"context"
	"time"

	"countersign/internal/fault"
)

// OddSkew and MaxSkew are how far a node's clock may be from the store's: beyond
// OddSkew people are told, beyond MaxSkew a node does not join, as what it writes
// into the record, and when it tries again, would be wrong.
const (
	OddSkew = 2 * time.Second
	MaxSkew = time.Minute
)

// longest is how long the store may take to answer for its clock to be compared.
const longest = time.Second

// measures is how often a store is asked for its clock that takes too long.
const measures = 3

// measure returns by how much now is ahead of the store's clock; known is false where
// the store took too long to tell, or failed.
func measure(ctx context.Context, c Clock, now func() time.Time) (skew time.Duration, known bool, err error) {
	for range measures {
		began, clock := time.Now(), now()
		store, err := c.Clock(ctx)
		if err != nil {
			return 0, false, err
		}
		if took := time.Since(began); took <= longest {
			return clock.Add(took / 2).Sub(store), true, nil
		}
	}
	return 0, false, nil
}

// refuse is the error of who may not join with that skew, nil for who may.
func refuse(skew time.Duration) error {
	if skew.Abs() <= MaxSkew {
		return nil
	}
	return fault.New("node.join", fault.Conflict,
		"the clock of this machine is %s the database's, more than a minute is not taken; set it, for example by NTP", ShowSkew(skew))
}

// RefuseSkew returns the error of Keeper.Join where now differs from the store's clock
// by more than MaxSkew, for who joins without a Keeper, and those of Clock. Where the
// store is too slow for a comparison it returns nil.
func RefuseSkew(ctx context.Context, c Clock, now func() time.Time) error {
	skew, known, err := measure(ctx, c, now)
	if err == nil && known {
		err = refuse(skew)
	}
	return err
}

// ShowSkew puts a skew in words: "1m15s ahead of".
func ShowSkew(skew time.Duration) string {
	if skew < 0 {
		return (-skew).Round(100*time.Millisecond).String() + " behind"
	}
	return skew.Round(100*time.Millisecond).String() + " ahead of"
}

package sqlkit

import "countersign/internal/fault"

// Schema is what an opening may do about the schema of a database.
type Schema uint8

// The choices.
const (
	// MakeOrUpgrade makes it where there is none, and applies what is new.
	MakeOrUpgrade Schema = iota
	// UpgradeOnly refuses a database that has none: it is to be read.
	UpgradeOnly
	// MakeOnly refuses one that an earlier release made: it is to be filled, and
	// what is in it is not ours to change.
	MakeOnly
)

// Refuse refuses, under op, a database that the choice does not allow: known says
// that it has a schema of ours, of which so many steps are pending.
func (s Schema) Refuse(op string, known bool, pending int) error {
	switch {
	case s == UpgradeOnly && !known:
		return fault.New(op, fault.NotFound, "there is no store in this database")
	case s == MakeOnly && known && pending > 0:
		return fault.New(op, fault.Conflict, "this database holds the store of an earlier release; name one that is empty")
	}
	return nil
}

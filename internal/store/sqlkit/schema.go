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

// Refuse refuses, under op, a database that the choice does not allow, as it stands.
func (c Schema) Refuse(op string, s Standing) error {
	switch {
	case c == UpgradeOnly && s.Version == 0:
		return fault.New(op, fault.NotFound, "there is no store in this database")
	case c == MakeOnly && s.Version > 0 && len(s.Pending) > 0:
		return fault.New(op, fault.Conflict, "this database holds the store of an earlier release; name one that is empty")
	case c != MakeOrUpgrade && s.Version > s.Known:
		return fault.New(op, fault.Conflict, "this database has schema version %d, of which this program knows %d: it would leave out what is new; use the newest release", s.Version, s.Known)
	}
	return nil
}

package account

import (
	"slices"

	"countersign/internal/fault"
)

// Alignment is what is done about messages with a domain in From that will fail DMARC at their
// receivers. The zero value leaves it to the configuration.
type Alignment string

// The settings.
const (
	// AlignmentOff has nothing found out.
	AlignmentOff Alignment = "off"
	// AlignmentWarn accepts them, with a warning in the record.
	AlignmentWarn Alignment = "warn"
	// AlignmentHold accepts and holds them.
	AlignmentHold Alignment = "hold"
	// AlignmentRefuse refuses them.
	AlignmentRefuse Alignment = "refuse"
)

// AlignmentDefault is how the zero value is written where it is given or shown.
const AlignmentDefault = "default"

// ParseAlignment reads a setting; AlignmentDefault is the zero value. fault.Invalid for any
// other text, "" among them.
func ParseAlignment(text string) (Alignment, error) {
	if text == AlignmentDefault {
		return "", nil
	}
	if a := Alignment(text); slices.Contains([]Alignment{AlignmentOff, AlignmentWarn, AlignmentHold, AlignmentRefuse}, a) {
		return a, nil
	}
	return "", fault.New("account.alignment", fault.Invalid, "%q is nothing to do about mail that will fail DMARC: there are %s, %s, %s, %s and %s",
		text, AlignmentWarn, AlignmentHold, AlignmentRefuse, AlignmentOff, AlignmentDefault)
}

// String returns what ParseAlignment reads.
func (a Alignment) String() string {
	if a == "" {
		return AlignmentDefault
	}
	return string(a)
}

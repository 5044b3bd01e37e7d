package account

import (
	"slices"

	"countersign/internal/fault"
)

// SenderMode says what becomes of mail under addresses that are not the account's.
type SenderMode string

// The modes.
const (
	// Enforce refuses it.
	Enforce SenderMode = "enforce"
	// Rewrite puts an address of the account in their place, and the author into Reply-To.
	Rewrite SenderMode = "rewrite"
	// Shadow lets it pass, and records what would have been refused.
	Shadow SenderMode = "shadow"
)

// ParseSenderMode reads the name of a mode; "" is none, which leaves it to what is above.
func ParseSenderMode(s string) (SenderMode, error) {
	if m := SenderMode(s); slices.Contains([]SenderMode{"", Enforce, Rewrite, Shadow}, m) {
		return m, nil
	}
	return "", fault.New("account.mode", fault.Invalid, "%q is not a mode of senders: there are %s, %s and %s", s, Enforce, Rewrite, Shadow)
}

// Mode is the one that counts: the account's own, else that of the plan that decides, else
// Enforce.
func (s *Sender) Mode() SenderMode {
	for _, m := range []SenderMode{s.Account.SenderMode, s.Plan.SenderMode} {
		if m != "" {
			return m
		}
	}
	return Enforce
}

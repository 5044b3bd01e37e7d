package shown

import (
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// Grant is what is shown of a grant.
type Grant struct {
	Account string         `json:"account"`
	Manner  account.Manner `json:"manner"`
	For     string         `json:"for"`
	State   string         `json:"state"`           // holds or ended
	Until   *time.Time     `json:"until,omitempty"` // left out where it never ends
	Across  bool           `json:"across_customers"`
	Given   *time.Time     `json:"given,omitempty"` // left out where it is not known
	By      string         `json:"by,omitempty"`
	Because string         `json:"because,omitempty"`
}

// GrantAt shows a grant of an account as of now.
func GrantAt(now time.Time, of mail.Address, g *account.Granted) Grant {
	v := Grant{
		Account: of.String(), Manner: g.Manner, For: g.Grant.String(), State: Holds, Until: stamp(g.Until), Across: g.Across, Given: stamp(g.Given),
		By: g.By, Because: g.Because,
	}
	if g.Ended(now) {
		v.State = Ended
	}
	return v
}

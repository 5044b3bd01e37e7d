package shown

import (
	"time"

	"countersign/internal/account"
	"countersign/internal/policy/rounds"
)

// Plan is what is shown of a plan.
type Plan struct {
	Name            string             `json:"name"`
	State           account.State      `json:"state"`
	MaxRecipients   int                `json:"max_recipients"`    // 0 for the server's
	MaxMessageBytes int64              `json:"max_message_bytes"` // likewise
	MaxMessages     int                `json:"max_messages"`      // likewise
	SenderMode      account.SenderMode `json:"sender_mode,omitempty"`
	Legacy          bool               `json:"legacy"`
	Created         time.Time          `json:"created"`
}

// PlanOf shows one.
func PlanOf(p account.Plan) Plan {
	return Plan{p.Name, p.State, p.MaxRecipients, p.MaxMessageBytes, p.MaxMessages, p.SenderMode, p.Legacy, p.Created}
}

// Customer is what is shown of a customer.
type Customer struct {
	Name    string        `json:"name"`
	Plan    string        `json:"plan"` // "" for none
	State   account.State `json:"state"`
	Created time.Time     `json:"created"`
}

// CustomerOf shows one.
func CustomerOf(c account.Customer) Customer {
	return Customer{c.Name, c.Plan, c.State, c.Created}
}

// Domain is what is shown of a domain.
type Domain struct {
	Name      string        `json:"name"`
	Customer  string        `json:"customer"`
	State     account.State `json:"state"`
	Alignment string        `json:"alignment"` // default, off, warn, hold or refuse
	Created   time.Time     `json:"created"`
	// LastLook is what the regular look at it found last; not there where it has found nothing yet.
	LastLook *Look `json:"last_look,omitempty"`
}

// DomainOf shows one, with what is known of the looks at it.
func DomainOf(d account.Domain, l rounds.Look) Domain {
	return Domain{d.Name.String(), d.Customer, d.State, d.Alignment.String(), d.Created, LookOf(l)}
}

// Package tenant says of what is stored for customers which part is meant: whose it is, how much of
// it, and how much of it there may be.
//
// It decides nothing and asks nobody. What is a customer's is said where it is stored: what is for
// the customer itself, for one of its domains, or for a login or a credential in one of these.
//
// Main types: Page, Bound.
package tenant

import (
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Page is a part of a listing. The zero value is all of it.
type Page struct {
	// Customers has those alone that are of these customers; none for any, and for what is nobody's.
	Customers []string
	// Limit is how many there may be, 0 for any number. With one the order is that of ids, and those
	// behind After are meant, so that none is left out or comes twice by what happens between two pages.
	Limit int
	After mail.ID
}

// Bound is how many of a kind may hold at once that are of some customers. The zero value bounds
// nothing.
type Bound struct {
	// Customers are those whose are counted.
	Customers []string
	// Most is how many there may be; 0 for any number.
	Most int
}

// Binds reports whether there is a bound.
func (b Bound) Binds() bool { return b.Most > 0 }

// Refusal is the error, fault.Conflict, of n of a kind at once; nil where they are within the bound.
// What names the kind, for people: "bans".
func (b Bound) Refusal(op, what string, n int) error {
	if !b.Binds() || n <= b.Most {
		return nil
	}
	return fault.New(op, fault.Conflict, "there would be more than %d %s in force for the client's customers: end some that are not needed, name more in one, or let the operator set it", b.Most, what)
}

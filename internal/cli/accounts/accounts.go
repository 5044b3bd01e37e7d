// Package accounts is the commands about who may send: "countersign plan",
// "customer", "domain" and "account".
//
// What may be done stands in package admin; here it gets names, flags and
// tables. What the commands on objects have in common stands in object.go, what they
// say of suspensions in standing.go.
//
// Main types: Groups.
package accounts

import "countersign/internal/account/admin"

// Groups are the command groups, as fields of the command line. New makes them.
type Groups struct {
	Customer customerGroup `cmd:"" help:"Customers: who is billed, and owns domains."`
	Plan     planGroup     `cmd:"" help:"Plans: named sets of limits that customers have, and single accounts."`
	Domain   domainGroup   `cmd:"" help:"Sender domains with their DKIM keys."`
	Account  accountGroup  `cmd:"" help:"Accounts: logins that may send."`
}

// New returns the groups with what their acts do.
func New() Groups {
	var g Groups
	g.Customer.Suspend, g.Customer.Resume, g.Customer.Remove = acts[customerName]((*admin.Admin).SuspendCustomer, (*admin.Admin).ResumeCustomer, (*admin.Admin).RemoveCustomer)
	g.Plan.Suspend, g.Plan.Resume, g.Plan.Remove = acts[planName]((*admin.Admin).SuspendPlan, (*admin.Admin).ResumePlan, (*admin.Admin).RemovePlan)
	g.Domain.Suspend, g.Domain.Resume, g.Domain.Remove = acts[domainName]((*admin.Admin).SuspendDomain, (*admin.Admin).ResumeDomain, (*admin.Admin).RemoveDomain)
	g.Account.Suspend, g.Account.Resume, _ = acts[accountName]((*admin.Admin).SuspendAccount, (*admin.Admin).ResumeAccount, nil)
	return g
}

// Package importing turns a list of accounts of another system into accounts here, or
// says what it would do.
//
// Accounts are stored several at the same time, many in one transaction where nothing
// stands in the way of any, and reported in the order of the list. What is there already is recognised, so that an import that
// was cut off goes on where it is run again. Password hashes are kept as they are; the
// first login makes one of the day of them.
//
// It reads no files (package roster does) and decides nothing about passwords. Main
// types: Options, Result, Summary; Run does it.
package importing

import (
	"context"
	"fmt"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/account/roster"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Conflict says what becomes of an account that is there already with another password
// than the list's.
type Conflict string

// What may become of it.
const (
	// Skip leaves it as it is.
	Skip Conflict = "skip"
	// ReplacePassword gives it the list's password, and changes nothing else.
	ReplacePassword Conflict = "replace-password"
	// Fail leaves it as it is, and makes the line one that failed.
	Fail Conflict = "fail"
)

// Source is a list; roster.PasswdFile and roster.CSV are.
type Source interface {
	// Next returns the next entry; io.EOF after the last one.
	Next() (roster.Entry, error)
}

// Secrets makes what is stored of what a list says; secrets.Maker does.
type Secrets interface {
	account.SecretMaker
	// KeyIn names the mechanism whose key Imported makes of a hash; "" for none.
	KeyIn(h hash.Hash) string
	// Imported makes what is stored of a hash that is kept.
	Imported(ctx context.Context, login string, h hash.Hash) (account.Secret, error)
	// Hash reads the hash of a secret that the account with that login has.
	Hash(ctx context.Context, login string, s *account.Secret) (hash.Hash, error)
}

// Options say how a list is imported. Store, Admin, Secrets, IDs, Now and Actor
// are needed, Keys where domains are made.
type Options struct {
	Store account.Store
	// Admin makes customers and domains.
	Admin *admin.Admin
	// Secrets makes what is stored of passwords and hashes.
	Secrets Secrets
	// Keys makes the DKIM keys of a new domain.
	Keys  func(ctx context.Context, name mail.Domain) ([]account.Key, error)
	IDs   *mail.IDSource
	Now   func() time.Time
	Actor string
	// Customer is the one that all domains must belong to; "" for any.
	Customer string
	// CreateDomains makes the domains that there are not, and Customer, on Plan, where
	// it is not there either.
	CreateDomains bool
	// Plan is the one that Customer has, or gets; "" for any, or none.
	Plan string
	// Conflict is Skip where it is "".
	Conflict Conflict
	// DryRun changes nothing.
	DryRun bool
	// Workers is how many transactions run at the same time, 0 for 4, and Together how
	// many accounts one has, 0 for 50; at most account.MaxAdded.
	Workers, Together int
}

// Outcome is what became of a line, or in a dry run would become of it.
type Outcome string

// The outcomes.
const (
	Added     Outcome = "added"
	Replaced  Outcome = "password-replaced"
	Unchanged Outcome = "unchanged"
	Skipped   Outcome = "skipped"
	Failed    Outcome = "failed"
)

// Result is what became of one line of the list, or of a domain or customer that it
// needed.
type Result struct {
	// Line is its number, from 1.
	Line int `json:"line"`
	// Object is "account a@example.org", "domain example.org" or "customer acme"; ""
	// for a line that could not be read.
	Object  string  `json:"object,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Text says in a sentence why, or how.
	Text string `json:"text,omitempty"`
	// Remarks say what of the line was not taken over.
	Remarks []string `json:"remarks,omitempty"`
}

// Summary counts the accounts by what became of them.
type Summary struct {
	Added     int `json:"added"`
	Replaced  int `json:"password_replaced"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	// Failed counts lines, also those that could not be read.
	Failed int `json:"failed"`
	// Domains and Customers count those that were made.
	Domains   int `json:"domains_added"`
	Customers int `json:"customers_added"`
	// DryRun says that all of this would be.
	DryRun bool `json:"dry_run"`
	// ScramIterations are those of the SCRAM keys that came with the list, each once.
	ScramIterations []int `json:"scram_iterations,omitempty"`
}

// Lines is how many lines were dealt with.
func (s *Summary) Lines() int { return s.Added + s.Replaced + s.Unchanged + s.Skipped + s.Failed }

// The defaults of Workers and Together.
const defaultWorkers, defaultTogether = 4, 50

// Run imports a list, and hands each result to report, in the order of the list; an
// error of report ends it. What was done by then stays done.
//
// Errors are those of the list, the store and report. fault.NotFound where Customer or
// Plan is not there and is not to be made, fault.Conflict where Customer has another
// plan, fault.Invalid for options that do not go together: then nothing was done. A
// line that fails is no error.
func Run(ctx context.Context, list Source, opt Options, report func(Result) error) (Summary, error) {
	if opt.Workers <= 0 {
		opt.Workers = defaultWorkers
	}
	if opt.Together <= 0 {
		opt.Together = defaultTogether
	}
	opt.Together = min(opt.Together, account.MaxAdded)
	if opt.Conflict == "" {
		opt.Conflict = Skip
	}
	r := &run{
		opt: opt, seen: map[string]int{}, places: map[mail.Domain]*place{}, taken: map[string]map[string]string{},
		iterations: map[int]bool{}, summary: Summary{DryRun: opt.DryRun},
	}
	if err := r.check(ctx); err != nil {
		return r.summary, err
	}
	return r.all(ctx, list, report)
}

// check checks the options against each other and the store.
func (r *run) check(ctx context.Context) error {
	const op = "account.import"
	switch {
	case r.opt.CreateDomains && r.opt.Customer == "":
		return fault.New(op, fault.Invalid, "domains are to be made, but no customer is named that they shall belong to")
	case r.opt.Plan != "" && r.opt.Customer == "":
		return fault.New(op, fault.Invalid, "a plan is a customer's, and no customer is named")
	case r.opt.Customer == "":
		return nil
	}
	if r.opt.Plan != "" {
		if _, err := r.opt.Store.Plan(ctx, r.opt.Plan); err != nil {
			return missing(err, "plan "+r.opt.Plan)
		}
	}
	c, err := r.opt.Store.Customer(ctx, r.opt.Customer)
	switch {
	case fault.Is(err, fault.NotFound) && r.opt.CreateDomains:
		r.newCustomer = true
		return account.CheckName("customer", r.opt.Customer)
	case err != nil:
		return missing(err, "customer "+r.opt.Customer)
	case r.opt.Plan != "" && c.Plan != r.opt.Plan:
		return fault.New(op, fault.Conflict, "customer %s has %s, not plan %s; give it that one first, or name none", c.Name, planText(c.Plan), r.opt.Plan)
	}
	return nil
}

func planText(name string) string {
	if name == "" {
		return "no plan"
	}
	return "plan " + name
}

// missing names the object that the store did not find.
func missing(err error, object string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New("account.import", fault.NotFound, "%s does not exist", object)
	}
	return err
}

// why returns the sentence of an error that is about one line, "" for one that ends the
// import.
func why(err error) string {
	for _, kind := range []fault.Kind{fault.Invalid, fault.NotFound, fault.Conflict, fault.TooLarge} {
		if fault.Is(err, kind) {
			if text := fault.DetailOf(err, kind); text != "" {
				return text
			}
			return fmt.Sprintf("the store does not take it (%s)", kind)
		}
	}
	return ""
}

package accounts

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/spf"
)

// domainGroup is "countersign domain".
type domainGroup struct {
	Add     domainAdd                    `cmd:"" help:"Add a sender domain, with new DKIM keys, and print the records to publish."`
	List    domainList                   `cmd:"" help:"List domains."`
	Show    domainShow                   `cmd:"" help:"Show a domain and the DNS records to publish."`
	Set     domainSet                    `cmd:"" help:"Move a domain, with its accounts, to another customer."`
	Rekey   domainRekey                  `cmd:"" help:"Give a domain new DKIM keys and print the records to publish."`
	Suspend act[domainName, mail.Domain] `cmd:"" help:"Stop all accounts and addresses of a domain."`
	Resume  act[domainName, mail.Domain] `cmd:"" help:"Undo suspend, and release what it held."`
	Remove  act[domainName, mail.Domain] `cmd:"" help:"Remove a domain that no account uses, with its keys."`
}

type domainAdd struct {
	domainName
	Customer string `required:"" help:"The customer that owns it." placeholder:"NAME"`
}

func (cmd *domainAdd) Run(c *call.Call) error {
	return c.Creating().Needing("hostname", "dkim.key_file", "delivery", "alignment").With(func(o *call.Opened) error {
		by := o.Admin()
		keys, err := c.Env.NewKeys(c.Ctx, o.Cfg, o.Store, account.Domain{Name: cmd.Name.Domain}, false)
		if err != nil {
			return err
		}
		if err := by.AddDomain(c.Ctx, cmd.Name.Domain, cmd.Customer, keys); err != nil {
			return err
		}
		if err := c.Say("%s added; publish these records:\n", cmd); err != nil {
			return err
		}
		return printRecords(c.Stdout, records(cmd.Name.Domain, keys, o.Cfg))
	})
}

type domainRekey struct {
	domainName
	Replace bool `help:"Drop the old keys at once, as when the key file is lost or a key is known to others; a missing key file is made anew unless another gate is up. Until the records are published, no signature verifies." xor:"old"`
	Drop    bool `help:"Make no keys, but drop those that newer ones stand beside." xor:"old"`
}

// Help is what "domain rekey --help" says beside the flags.
func (*domainRekey) Help() string {
	return "Without a flag the old keys sign on beside the new ones, so that mail verifies while the new records " +
		"spread; --drop ends that. A record of an old key may go when the last mail signed with it has arrived."
}

func (cmd *domainRekey) Run(c *call.Call) error {
	return c.Needing("hostname", "dkim.key_file").With(func(o *call.Opened) error {
		by := o.Admin()
		d, err := o.Store.Domain(c.Ctx, cmd.Name.Domain)
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		if cmd.Drop {
			return cmd.drop(c, by, d)
		}
		added, err := c.Env.NewKeys(c.Ctx, o.Cfg, o.Store, d, cmd.Replace)
		if err != nil {
			return err
		}
		keys := added
		if !cmd.Replace {
			keys = slices.Concat(added, d.Keys)
		}
		if err := by.RekeyDomain(c.Ctx, d, keys); err != nil {
			return err
		}
		if err := c.Say("%s has new keys; publish these records:\n", cmd); err != nil {
			return err
		}
		return printRecords(c.Stdout, keyRecords(d.Name, added))
	})
}

// drop leaves the domain the newest key of each algorithm.
func (cmd *domainRekey) drop(c *call.Call, by *admin.Admin, d account.Domain) error {
	var kept []account.Key
	for _, k := range d.Keys {
		newer := func(other account.Key) bool { return other.Algorithm == k.Algorithm && other.Created.After(k.Created) }
		if !slices.ContainsFunc(d.Keys, newer) {
			kept = append(kept, k)
		}
	}
	if len(kept) == len(d.Keys) {
		return fault.New("cli.rekey", fault.Conflict, "%s has no old keys", cmd)
	}
	if err := by.RekeyDomain(c.Ctx, d, kept); err != nil {
		return err
	}
	return c.Say("old keys of %s dropped", cmd)
}

type domainSet struct {
	domainName
	Customer string `required:"" help:"The customer that shall own it." placeholder:"NAME"`
}

func (cmd *domainSet) Run(c *call.Call) error {
	return c.Administer(cmd.String()+" changed", func(a *admin.Admin) error {
		return a.SetDomainCustomer(c.Ctx, cmd.Name.Domain, cmd.Customer)
	})
}

// domainView is a domain as it is printed.
type domainView struct {
	Name     mail.Domain `json:"name"`
	Customer string      `json:"customer"`
	standing
	Created time.Time `json:"created"`
	// Keys and Records are set by show alone.
	Keys    []keyView    `json:"keys,omitempty"`
	Records []recordView `json:"records,omitempty"`
}

// keyView is the public side of a DKIM key.
type keyView struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	Created   time.Time `json:"created"`
}

// recordView is a DNS record to publish.
type recordView struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

func viewDomain(d account.Domain) domainView {
	return domainView{Name: d.Name, Customer: d.Customer, standing: standing{State: d.State}, Created: d.Created}
}

type domainList struct {
	Customer string `help:"Those of one customer alone." placeholder:"NAME"`
	call.AsJSON
}

func (cmd *domainList) Run(c *call.Call) error {
	cells := func(v domainView) []string {
		return []string{v.Name.String(), string(v.State), v.Customer, table.Stamp(v.Created)}
	}
	heads := []string{"NAME", "STATE", "CUSTOMER", "CREATED"}
	return call.List(c, cmd.AsJSON, heads, viewDomain, cells, func(s call.Store) ([]account.Domain, error) {
		domains, err := s.Domains(c.Ctx, cmd.Customer)
		return domains, call.Missing(err, "customer "+cmd.Customer)
	})
}

type domainShow struct {
	domainName
	call.AsJSON
}

func (cmd *domainShow) Run(c *call.Call) error {
	return c.Needing("hostname", "delivery", "alignment").With(func(o *call.Opened) error {
		d, err := o.Store.Domain(c.Ctx, cmd.Name.Domain)
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		above, err := suspendedCustomer(c.Ctx, o.Store, d.Customer)
		if err != nil {
			return err
		}
		v := viewDomain(d)
		v.standing = v.under(above)
		v.Keys = call.Views(d.Keys, func(k account.Key) keyView { return keyView{k.Selector, k.Algorithm, k.Created} })
		v.Records = records(d.Name, d.Keys, o.Cfg)
		if err := c.Show(cmd.AsJSON, v); err != nil || cmd.JSON {
			return err
		}
		if err := c.Say("\nrecords to publish:\n"); err != nil {
			return err
		}
		return printRecords(c.Stdout, v.Records)
	})
}

func (v domainView) Details(t table.Table) {
	t.Row("domain", v.Name.String())
	if unicode := v.Name.Unicode(); unicode != v.Name.String() {
		t.Row("in letters", unicode)
	}
	t.Row("state", v.standing.String())
	t.Row("customer", v.Customer)
	t.Row("created", table.Stamp(v.Created))
	for _, k := range v.Keys {
		t.Row("key", fmt.Sprintf("%s (%s, %s)", k.Selector, k.Algorithm, table.Stamp(k.Created)))
	}
}

// records lists what to publish: the DKIM keys (RFC 6376 section 3.6), and a
// start for SPF (RFC 7208) and DMARC (RFC 9989) that turns nothing away yet.
func records(domain mail.Domain, keys []account.Key, cfg *config.Config) []recordView {
	return append(keyRecords(domain, keys),
		recordView{domain.String(), "TXT", spf.Amend("", senderTerms(cfg))},
		recordView{"_dmarc." + domain.String(), "TXT", "v=DMARC1; p=none; rua=mailto:postmaster@" + domain.String()},
	)
}

// senderTerms are the terms of SPF that stand for where mail of this gate comes from: what
// is configured of it, else what its name stands for.
func senderTerms(cfg *config.Config) []string {
	if term := cfg.Alignment.SPFTerm; term != "" {
		return []string{term}
	}
	if addresses := cfg.Sources(); len(addresses) > 0 {
		return spf.Terms(addresses)
	}
	return []string{"a:" + cfg.Hostname}
}

// keyRecords lists the records of DKIM keys.
func keyRecords(domain mail.Domain, keys []account.Key) []recordView {
	return call.Views(keys, func(k account.Key) recordView {
		return recordView{k.Selector + "._domainkey." + domain.String(), "TXT", k.Public}
	})
}

// printRecords prints records as lines of a zone file (RFC 1035 section 5.1). A domain has
// one record of SPF and of DMARC at most, so that it is said what to do where there is one.
func printRecords(w io.Writer, records []recordView) error {
	for _, r := range records {
		if terms, ok := strings.CutPrefix(r.Value, "v=spf1 "); ok {
			fmt.Fprintf(w, "; a domain has one SPF record: where there is one already, add %s to it\n", strings.TrimSuffix(terms, " ~all"))
		}
		if strings.HasPrefix(r.Value, "v=DMARC1;") {
			fmt.Fprintln(w, "; only where there is none: another DMARC record asks for what the domain wants, leave it as it is")
		}
		_, err := fmt.Fprintln(w, dkim.Record{Name: r.Name, Value: r.Value}.ZoneLine())
		if err != nil {
			return err
		}
	}
	return nil
}

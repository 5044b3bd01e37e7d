package accounts

import (
	"fmt"
	"io"
	"strings"

	"countersign/internal/account"
	"countersign/internal/config"
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/policy/spf"
	"countersign/internal/policy/turnover"
)

// records lists what to publish: the DKIM keys (RFC 6376 section 3.6), and a
// start for SPF (RFC 7208) and DMARC (RFC 9989) that turns nothing away yet.
func records(domain mail.Domain, keys []account.Key, cfg *config.Config) ([]recordView, error) {
	list, err := keyRecords(domain, keys, cfg)
	if err != nil {
		return nil, err
	}
	return append(list,
		recordView{domain.String(), "TXT", spf.Amend("", senderTerms(cfg))},
		recordView{"_dmarc." + domain.String(), "TXT", "v=DMARC1; p=none; rua=mailto:postmaster@" + domain.String()},
	), nil
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

// keyRecords lists the records of DKIM keys: of delegated ones the aliases, for good.
func keyRecords(domain mail.Domain, keys []account.Key, cfg *config.Config) ([]recordView, error) {
	var list []recordView
	delegated := false
	for _, k := range keys {
		if cfg.Rekey.Delegate == "" || !turnover.Delegated(k.Selector) {
			list = append(list, recordView{k.Selector + "._domainkey." + domain.String(), "TXT", k.Public})
			continue
		}
		delegated = true
	}
	if !delegated {
		return list, nil
	}
	for _, selector := range turnover.Slots() {
		name, target, err := turnover.Alias(selector, domain, mail.Domain(cfg.Rekey.Delegate))
		if err != nil {
			return nil, err
		}
		list = append(list, recordView{name, "CNAME", target + "."})
	}
	return list, nil
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
		line := dkim.Record{Name: r.Name, Value: r.Value}.ZoneLine()
		if r.Type != "TXT" {
			line = r.Name + ". IN " + r.Type + " " + r.Value
		}
		_, err := fmt.Fprintln(w, line)
		if err != nil {
			return err
		}
	}
	return nil
}

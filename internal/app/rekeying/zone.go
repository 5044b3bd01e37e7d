package rekeying

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/policy/domainkey"
	"countersign/internal/policy/turnover"
)

// maxAliases bounds the CNAME records that are followed from a name.
const maxAliases = 8

// sweepAtOnce bounds what one round removes from the zone.
const sweepAtOnce = 500

// delegated reports whether all keys that sign are found, and all selectors lead to the zone
// by CNAME records: a key that is found otherwise would be renewed where nobody looks. Where
// the keys are found and the CNAMEs are not, it notes why nothing is renewed.
func (t *Turner) delegated(ctx context.Context, d account.Domain, states map[string]domainkey.State) bool {
	last := t.askedOf(d.Name)
	why, known := t.hindrance(ctx, d, states)
	if !known {
		return false // the next look may tell
	}
	t.setAsked(d.Name, asked{last.at, why})
	if why != "" && why != last.why {
		t.opt.Logger.Warn(why)
	}
	return why == "" && published(d.Keys, states)
}

// published reports whether all keys are found.
func published(keys []account.Key, states map[string]domainkey.State) bool {
	return !slices.ContainsFunc(keys, func(k account.Key) bool { return states[k.Selector] != domainkey.Published })
}

// hindrance says which selector of a domain whose keys are found is no alias; "" for none.
// known is false where DNS does not say.
func (t *Turner) hindrance(ctx context.Context, d account.Domain, states map[string]domainkey.State) (why string, known bool) {
	if !published(d.Keys, states) {
		return "", true // nothing would come of it, and package alignment says so
	}
	for _, selector := range turnover.Slots() {
		name, target, err := turnover.Alias(selector, d.Name, t.opt.Delegate)
		if err != nil {
			return err.Error(), true
		}
		leads, err := t.leads(ctx, name, target)
		if err != nil {
			return "", false
		}
		if !leads {
			return fmt.Sprintf("the keys of %s cannot be renewed: %s is no CNAME of %s", d.Name, name, target), true
		}
	}
	return "", true
}

// leads reports whether a name is an alias of target, by way of others or not (RFC 1035
// section 3.3.1).
func (t *Turner) leads(ctx context.Context, name, target string) (bool, error) {
	for range maxAliases {
		answer, err := t.opt.Asker.Ask(ctx, name, mx.CNAME)
		switch {
		case fault.Is(err, fault.NotFound) || err == nil && len(answer.Names) == 0:
			return false, nil
		case err != nil:
			return false, err
		}
		if name = answer.Names[0]; name == target {
			return true, nil
		}
	}
	return false, nil
}

// publish writes the keys of a delegated domain into the zone that are not known to be
// there, and says which. A key that signs is marked then; one that waits is written until it
// is found. Where the operator publishes them, they are marked alone.
func (t *Turner) publish(ctx context.Context, d *account.Domain) (said []string, err error) {
	for i := range d.Keys {
		k := &d.Keys[i]
		if k.Stage == account.Past || !k.Turned.IsZero() || t.opt.Delegate == "" || !turnover.Delegated(k.Selector) {
			continue
		}
		_, target, err := turnover.Alias(k.Selector, d.Name, t.opt.Delegate)
		if err != nil {
			return nil, err
		}
		did := "to be published at "
		if t.opt.Zone != nil {
			did = "published at "
			if err := t.write(ctx, target, account.ZoneRecord{Domain: d.Name, Selector: k.Selector, Text: k.Public}); err != nil {
				return nil, err
			}
		}
		if k.Stage == account.Signing {
			k.Turned = t.now()
			said = append(said, k.Selector+" "+did+target)
		}
	}
	return said, nil
}

// write puts a record into the zone. It is noted before, so that nothing is there that is not
// known, and after, as another gate may have removed the record and the note meanwhile: the key
// may be gone since it was read.
func (t *Turner) write(ctx context.Context, target string, r account.ZoneRecord) error {
	if err := t.opt.Store.NoteZoneRecord(ctx, r); err != nil {
		return err
	}
	if err := t.opt.Zone.Set(ctx, target, r.Text); err != nil {
		return err
	}
	return t.opt.Store.NoteZoneRecord(ctx, r)
}

// sweep removes from the zone what no key holds any more, whoever took the key or the domain
// away. What fails is tried again in the next round. Several gates may do the same at a time: a
// record goes with its text alone, so that a newer one under its name stays.
func (t *Turner) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	list, err := t.opt.Store.UnheldZoneRecords(ctx, sweepAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range list {
		_, target, err := turnover.Alias(r.Selector, r.Domain, t.opt.Delegate)
		if err == nil { // else it cannot be in this zone
			err = t.opt.Zone.Remove(ctx, target, r.Text)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			t.opt.Logger.Info("a key was removed from the zone", "name", target)
		}
		if err := t.opt.Store.ForgetZoneRecord(ctx, r); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 1 {
		return fmt.Errorf("%w, and %d more", errs[0], len(errs)-1)
	}
	return errors.Join(errs...)
}

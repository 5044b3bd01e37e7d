package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign/internal/account"
	"countersign/internal/limit"
)

// Effects is what is asked for what a rule leads to.
type Effects interface {
	// Sender is that of account.Directory, Rules that of limit.Store.
	Sender(ctx context.Context, login string) (*account.Sender, error)
	Rules(ctx context.Context, q limit.Query) ([]limit.Rule, error)
}

// Makes returns the limit that holds with what an allowance gives on top of it, nil where nothing is
// limited that it would be on top of. known is false where that cannot be said, as it is for each of a
// kind, or on a plan. Errors are those of the store.
func Makes(ctx context.Context, store Effects, r *limit.Rule, now time.Time) (made *limit.Limit, known bool, err error) {
	who, some, err := sender(ctx, store, r.For)
	if err != nil || !some {
		return nil, false, err
	}
	levels := who.Levels(func(s limit.Subject) []limit.Rule {
		rules, failed := store.Rules(ctx, limit.Query{For: &s, Holding: now})
		if failed != nil {
			err = failed
		}
		return rules
	}, now)
	if err != nil {
		return nil, false, err
	}
	for _, level := range levels {
		for _, l := range level.Limits {
			// Of two the one that counts stands before the one in shadow.
			if level.Subject == r.For && l.Measure == r.Limit.Measure && l.Window == r.Limit.Window {
				return &l, true, nil
			}
		}
	}
	return nil, true, nil
}

// Overruling returns the rule with an end that counts in the place of one without, or of two in shadow
// is looked at; nil where none does. Errors are those of the store.
func Overruling(ctx context.Context, store Effects, r *limit.Rule, now time.Time) (*limit.Rule, error) {
	if r.Temporary() {
		return nil, nil
	}
	here, err := store.Rules(ctx, limit.Query{For: &r.For, Holding: now})
	if err != nil {
		return nil, err
	}
	for i := range here {
		if here[i].SamePlace(r) && here[i].Limit.Shadow == r.Limit.Shadow && here[i].Temporary() {
			return &here[i], nil
		}
	}
	return nil, nil
}

// Before are the rules that ended as r was set (limit.Rule.Replaces). Errors are those of the store.
func Before(ctx context.Context, store Effects, r *limit.Rule) ([]limit.Rule, error) {
	all, err := store.Rules(ctx, limit.Query{For: &r.For})
	return slices.DeleteFunc(all, func(b limit.Rule) bool {
		return r.Extra || b.Extra || b.ID == r.ID || b.Lifted != r.By || !b.End.Equal(r.Start) || b.Limit.Measure != r.Limit.Measure || b.Limit.Window != r.Limit.Window
	}), err
}

// Beside returns the rule of the same subject that counts while one in shadow is looked at, nil where
// none does, and for a rule that is not in shadow. Errors are those of the store.
func Beside(ctx context.Context, store Effects, r *limit.Rule, now time.Time) (counts *limit.Rule, err error) {
	if r.Extra || !r.Limit.Shadow {
		return nil, nil
	}
	here, err := store.Rules(ctx, limit.Query{For: &r.For, Holding: now})
	for i := range here {
		if here[i].SamePlace(r) && !here[i].Limit.Shadow && (counts == nil || here[i].Temporary()) {
			counts = &here[i]
		}
	}
	return counts, err
}

// sender is somebody who is counted as that subject and nothing else, but for everything;
// some is false where a subject is not one that is counted.
func sender(ctx context.Context, store Effects, s limit.Subject) (who limit.Who, some bool, err error) {
	if s.Name == limit.Each {
		return who, false, nil
	}
	switch s.Kind {
	case limit.Plan:
		return who, false, nil
	case limit.Credential:
		who.Credential = s.Name
	case limit.Account:
		var found *account.Sender
		if found, err = store.Sender(ctx, s.Name); err == nil {
			who.Account, who.Plan = s.Name, found.Plan.Name
		}
	case limit.Domain:
		who.Domain = s.Name
	case limit.Customer:
		who.Customer = s.Name
	case limit.Network:
		who.Network = s.Name
	case limit.Node:
		who.Node = s.Name
	}
	return who, err == nil, err
}

// Remark says to people what counts where it is not the rule alone that was set, "" for nothing.
// Errors are those of the store.
func Remark(ctx context.Context, store Effects, r *limit.Rule, now time.Time) (string, error) {
	name := fmt.Sprintf("%s/%s", r.Limit.Measure, r.Limit.Window)
	if !r.Extra {
		return instead(ctx, store, r, name, now)
	}
	made, known, err := Makes(ctx, store, r, now)
	switch {
	case err != nil || !known:
		return "", err
	case made == nil:
		return "nothing limits " + name + " there now, so that this gives nothing", nil
	}
	if made.Shadow {
		return "nothing but a limit in shadow is there, which is " + made.String() + " with this", nil
	}
	return "with this " + made.String() + " counts", nil
}

// instead is Remark about a rule that is no allowance, of a measure and window with that name.
func instead(ctx context.Context, store Effects, r *limit.Rule, name string, now time.Time) (string, error) {
	over, err := Overruling(ctx, store, r, now)
	if err != nil {
		return "", err
	}
	until := ""
	if over != nil {
		until = over.End.Format(time.RFC3339)
	}
	if over != nil && !r.Limit.Shadow {
		return fmt.Sprintf("%s is set, but %s counts until %s", name, over.Limit, until), nil
	}
	counts, err := Beside(ctx, store, r, now)
	text := ""
	switch {
	case err != nil:
		return "", err
	case counts == nil && over == nil:
		return "", nil
	case counts == nil:
		text = fmt.Sprintf("%s is in shadow", r.Limit)
	case r.Silent(counts):
		text = fmt.Sprintf("%s is in shadow, and says nothing while %s counts", r.Limit, counts.Limit)
	default:
		text = fmt.Sprintf("%s is in shadow; %s stays and counts", r.Limit, counts.Limit)
	}
	if over != nil {
		text += fmt.Sprintf(", and %s is looked at until %s", over.Limit, until)
	}
	return text, nil
}

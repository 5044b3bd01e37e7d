package admin

import (
	"context"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
)

// addGrant gives an account of a customer a grant, for a domain of that customer unless the
// grant says that it may reach another, and says so.
func (a *Admin) addGrant(ctx context.Context, acc *account.Account, g account.Granted, customer string) (string, error) {
	const op = "account.grant"
	g.Given, g.By, g.Until = a.now(), a.opt.Actor, g.Until.UTC().Truncate(time.Microsecond)
	if err := g.Check(); err != nil {
		return "", err
	}
	if g.Ended(a.now()) {
		return "", fault.New(op, fault.Invalid, "%s has passed; give a time to come", g.Until.Format(time.RFC3339))
	}
	owner, err := a.customerOf(ctx, g.Under())
	switch {
	case err == nil && owner == customer:
		g.Across = false // which it need not
	case err != nil || !g.Across:
		return "", a.sameCustomer(ctx, g.Under(), customer, "grant "+g.Grant.String())
	}
	if err := acc.AddGrant(g, a.now()); err != nil {
		return "", err
	}
	text := "grant " + g.String() + " given"
	if g.Across {
		text += " across customers, of customer " + owner
	}
	if !g.Until.IsZero() {
		text += " until " + g.Until.Format(time.RFC3339)
	}
	if g.Because != "" {
		text += " because " + g.Because
	}
	return text, nil
}

// removeGrants takes grants from an account, and returns them as they were.
func (a *Admin) removeGrants(acc *account.Account, list []account.Granted) (gone []account.Granted, err error) {
	for i := range list {
		before := acc.Grants
		if err := acc.RemoveGrant(list[i].Grant, list[i].Manner); err != nil {
			return nil, err
		}
		for j := range before {
			if before[j].Manner == list[i].Manner && before[j].Equal(list[i].Grant) {
				gone = append(gone, before[j])
			}
		}
	}
	return gone, nil
}

// recall recalls what was sent under grants that an account has no more, unless it is to be
// kept, and says what becomes of it. What was sent under one that had ended goes on.
func (a *Admin) recall(acc *account.Account, gone []account.Granted, keep bool) (parts []string) {
	for i := range gone {
		g := &gone[i]
		text := "grant " + g.String() + " revoked"
		switch {
		case g.Ended(a.now()):
		case keep:
			text += ", mail that waits goes on"
		default:
			acc.RecallGrant(g.Grant, acc.Revision+1)
			text += ", mail that waits held, but what was sent under another address of the account alone"
		}
		parts = append(parts, text)
	}
	return parts
}

// modeText says which mode of senders was set; none is what "" stands for.
func modeText(m account.SenderMode, none string) string {
	if m == "" {
		return "mode of senders: " + none
	}
	return "mode of senders " + string(m)
}

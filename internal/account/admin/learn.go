package admin

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
)

// Learn has an account, as it was read, learn what its directory says. Nothing is stored
// where all is so already; changed says whether something was. Errors: fault.NotFound
// where there is no such plan, fault.Conflict where the account has changed since it was
// read, or an alias is an address of another one.
func (a *Admin) Learn(ctx context.Context, acc account.Account, l account.Learned) (changed bool, err error) {
	text := acc.Learn(l)
	if text == "" {
		return false, nil
	}
	e := a.accountEvent(audit.AdminChanged, &acc, text+", as directory "+acc.Directory+" says")
	return true, a.opt.Store.PutAccount(ctx, acc, e)
}

package app

import (
	"context"

	"countersign/internal/app/panel"
	"countersign/internal/config"
	"countersign/internal/web/api/resource"
)

// openPanel makes the API, which is served where the configuration has an address for HTTP.
func (a *App) openPanel(context.Context) (err error) {
	o := panel.Options{
		Config: a.cfg, Version: a.opt.Version, Store: a.store, IDs: a.ids, Now: a.opt.Now, Accounts: a.Admin, Place: a.entrance.Place,
		Record: a.recorder.Record, Logger: a.log,
	}
	if a.opt.Explain != nil {
		o.Explain = func(ctx context.Context, c *config.Config, q resource.Question) (*resource.Verdict, error) {
			return a.opt.Explain(ctx, c, a.store, q)
		}
	}
	a.panel, err = panel.Open(o)
	return err
}

package app

import (
	"context"

	"countersign/internal/app/panel"
	"countersign/internal/app/site"
	"countersign/internal/web"
	"countersign/internal/web/api"
	"countersign/internal/web/help"
)

// openWeb serves what is there over HTTP, if an address is configured.
func (a *App) openWeb(context.Context) error {
	a.help = help.New(help.Options{})
	server, address, err := site.Open(site.Options{
		Config: a.cfg.Web, TLS: a.certs.TLSConfig, Registry: a.registry, Logger: a.log,
		Mounts: []web.Mount{{Path: help.Path, Name: "help", Handler: a.help}, {Path: api.Prefix + "/", Name: "api", Handler: a.panel.Handler()}},
	})
	if err != nil {
		return err
	}
	if server != nil {
		a.addresses["web"] = address
		a.undo("web", server.Stop)
	}
	pages, err := site.Help(a.cfg, address)
	if err != nil {
		return err
	}
	a.help.Configure(pages)
	return nil
}

// openPanel makes the API, which is served where the configuration has an address for HTTP.
func (a *App) openPanel(context.Context) (err error) {
	books := panel.Books{Bans: a.banned.Book, Entries: a.entrance.Entries(), Limits: a.limited.Levels, Foresee: a.guard.Foresee}
	a.panel, err = panel.Open(panel.Options{
		Config: a.cfg, Version: a.opt.Version, Store: a.store, IDs: a.ids, Now: a.opt.Now, Accounts: a.Admin, Place: a.entrance.Place,
		Books: books, Explain: a.opt.Explain.On(a.store, books), Record: a.recorder.Record, Logger: a.log,
	})
	return err
}

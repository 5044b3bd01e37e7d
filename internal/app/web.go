package app

import (
	"context"

	"countersign/internal/app/site"
	"countersign/internal/web"
	"countersign/internal/web/api"
	"countersign/internal/web/help"
)

// openWeb serves what is there over HTTP, if an address is configured.
func (a *App) openWeb(context.Context) error {
	a.help = help.New(help.Options{})
	server, address, err := site.Open(site.Options{
		Config: a.cfg.Web, Mounts: a.mounts(), TLS: a.certs.TLSConfig, Registry: a.registry, Logger: a.log,
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

// mounts are what is served over HTTP, each at its path.
func (a *App) mounts() []web.Mount {
	return []web.Mount{
		{Path: help.Path, Name: "help", Handler: a.help},
		{Path: api.Prefix + "/", Name: "api", Handler: a.panel.Handler()},
	}
}

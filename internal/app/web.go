package app

import (
	"context"

	"countersign/internal/app/site"
	"countersign/internal/web"
	"countersign/internal/web/api"
)

// openWeb serves what is there over HTTP, if an address is configured.
func (a *App) openWeb(context.Context) error {
	server, address, err := site.Open(site.Options{
		Config: a.cfg.Web, Mounts: a.mounts(), TLS: a.certs.TLSConfig, Registry: a.registry, Logger: a.log,
	})
	if err != nil || server == nil {
		return err
	}
	a.addresses["web"] = address
	a.undo("web", server.Stop)
	return nil
}

// mounts are what is served over HTTP, each at its path.
func (a *App) mounts() []web.Mount {
	return []web.Mount{{Path: api.Prefix + "/", Name: "api", Handler: a.panel.Handler()}}
}

package cli

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	"countersign/internal/account"
	"countersign/internal/app"
	"countersign/internal/config"
)

// SystemEnv is the Env of the real program.
func SystemEnv(version string) Env {
	return Env{
		Version: version,
		OpenStore: func(ctx context.Context, cfg *config.Config) (Store, io.Closer, error) {
			store, err := app.OpenStore(ctx, cfg, false)
			return store, store, err
		},
		NewHasher: app.NewHasher,
		NewKeys: func(ctx context.Context, cfg *config.Config, store Store, domain account.Domain, newFile bool) ([]account.Key, error) {
			open := app.OpenSealer
			if newFile {
				open = app.RenewSealer
			}
			sealer, err := open(ctx, cfg, store)
			if err != nil {
				return nil, err
			}
			return app.RenewKeys(sealer, domain.Name, domain.Keys, time.Now(), rand.Reader)
		},
		Actor: OSActor(),
	}
}

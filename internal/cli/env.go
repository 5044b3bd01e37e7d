package cli

import (
	"context"
	"io"
	"os"
	"os/user"
	"strconv"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/importing"
	"countersign/internal/app"
	"countersign/internal/app/examine"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/login"
	"countersign/internal/login/walk"
)

// SystemEnv is the Env of the real program.
func SystemEnv(version string) call.Env {
	return call.Env{
		Version: version,
		OpenStore: func(ctx context.Context, cfg *config.Config) (call.Store, io.Closer, error) {
			store, err := app.OpenStore(ctx, cfg, false)
			return store, store, err
		},
		NewSecrets: func(cfg *config.Config, store call.Store) (importing.Secrets, account.Rule) {
			secrets := app.NewSecrets(cfg, store)
			return secrets, secrets
		},
		NewKeys: func(ctx context.Context, cfg *config.Config, store call.Store, domain account.Domain, newFile bool) ([]account.Key, error) {
			open := app.OpenSealer
			if newFile {
				open = app.RenewSealer
			}
			sealer, err := open(ctx, cfg, store)
			if err != nil {
				return nil, err
			}
			return app.KeyMaker(cfg, sealer).Make(domain.Name, domain.Keys, time.Now())
		},
		Examine: func(ctx context.Context, cfg *config.Config, store call.Store, q login.Question) (*walk.Explanation, error) {
			return examine.Login(ctx, cfg, store, q)
		},
		Actor: OSActor(),
	}
}

// OSActor names the operating-system user that runs the program, as the record
// shall have it: "cli:root", or whom sudo was called by. Only root's SUDO_USER
// is believed, as anybody can set it for themselves.
func OSActor() string {
	name := ""
	if os.Geteuid() == 0 {
		name = os.Getenv("SUDO_USER")
	}
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
	}
	return "cli:" + table.Clean(name)
}

package call

import (
	"context"
	"io"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/list"
	"countersign/internal/account"
	"countersign/internal/account/importing"
	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/limit"
	"countersign/internal/login"
	"countersign/internal/login/walk"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/policy/rounds"
	"countersign/internal/queue"
	"countersign/internal/seal/rotation"
)

// Store is what the commands need of an engine.
type Store interface {
	account.Store
	access.Store
	list.Store
	guard.Store
	limit.Store
	limit.Counts
	limit.Holders
	audit.Store
	queue.AdminStore
	node.Store
	rounds.Store
	Contents
	app.SealedStore
	rotation.Store
}

// Contents has messages that wait, as in queue.Store.
type Contents interface {
	Content(ctx context.Context, id mail.ID) (*queue.Content, error)
}

// Env is what the commands are given. All fields but Now are needed; SystemEnv
// has them.
type Env struct {
	// Version is the program's.
	Version string
	// OpenStore opens the store of a configuration, beside a server that may
	// be running.
	OpenStore func(ctx context.Context, cfg *config.Config) (Store, io.Closer, error)
	// NewSecrets makes what turns passwords into what is stored of them, and what
	// decides on new ones.
	NewSecrets func(cfg *config.Config, store Store) (importing.Secrets, account.Rule)
	// NewKeys makes the sealed DKIM keys of a domain, beside those that it has.
	// newFile says that a key file is made where it is missing, although what
	// was sealed with it is lost then.
	NewKeys func(ctx context.Context, cfg *config.Config, store Store, domain account.Domain, newFile bool) ([]account.Key, error)
	// Examine explains a login as the server would decide it, and changes nothing.
	Examine func(ctx context.Context, cfg *config.Config, store Store, q login.Question) (*walk.Explanation, error)
	// Actor is who runs the command, as the record shall name them.
	Actor string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

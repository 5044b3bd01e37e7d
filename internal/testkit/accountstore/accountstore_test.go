package accountstore_test

import (
	"context"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/credentials"
	"countersign/internal/testkit/accountstore"
)

// rest is what an engine has beside accounts, and the double has not: nothing of it
// is called here.
type rest interface {
	queue.Store
	queue.AdminStore
	queue.CertifiedStore
	node.Store
	storetest.CertificateStore
	Close() error
}

// recorded is the double, and finds its events.
type recorded struct {
	*accountstore.Store
	rest
}

// Append implements audit.Store.
func (recorded) Append(context.Context, []audit.Event) error { return nil }

// Search implements audit.Store by login alone.
func (s recorded) Search(_ context.Context, q audit.Query) (list []audit.Event, err error) {
	for _, e := range s.Events() {
		if q.Login == "" || e.Login == q.Login {
			list = append(list, e)
		}
	}
	return list, nil
}

// TestCredentials: what tests see of the double is what engines do.
func TestCredentials(t *testing.T) {
	credentials.RunKept(t, func(*testing.T) storetest.Store { return recorded{Store: accountstore.New()} })
}

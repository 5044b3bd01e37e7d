package rehearsal

import (
	"context"
	"net/netip"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/app/guarding"
	"countersign/internal/config"
	"countersign/internal/limit"
	"countersign/internal/limit/doors"
	"countersign/internal/sasl"
)

// Enter says of a connection what limit/doors.Doors would while the store is there, and counts
// nothing. It implements connected.Doors.
func (k *keeper) Enter(ctx context.Context, levels []limit.Level, warn int) (doors.Pass, limit.Decision, error) {
	q := limit.Connects(levels)
	if q == nil {
		return doors.Pass{}, limit.Decision{}, nil
	}
	there, err := k.Present(ctx)
	if err != nil {
		return doors.Pass{}, limit.Decision{}, err
	}
	q.Warn, q.Alive = warn, there
	by, err := k.ledger(ctx, q)
	if err != nil {
		return doors.Pass{}, limit.Decision{}, err
	}
	return doors.Pass{}, q.Judge(by, by.decided), nil
}

// watching is a guard that has closed something to the client of a rehearsal, nil for nothing,
// and counts nothing. It implements guessing.Guard.
type watching struct{ closed error }

// watch reads what the guard has closed to who asks: only to those whose secret can be guessed.
func watch(ctx context.Context, cfg *config.Config, store Store, q Question) (watching, error) {
	m, ok := sasl.Lookup(q.Mechanism)
	if !ok || m.Token || m.Certificate {
		return watching{}, nil
	}
	admin := guard.NewAdmin(guard.AdminOptions{Store: store, Now: time.Now})
	closed, _, err := admin.Closed(ctx, guarding.Rules(&cfg.Guard), q.Client, q.Login)
	return watching{closed}, err
}

func (w watching) Enter(netip.Addr, string, string) error  { return w.closed }
func (watching) Leave(netip.Addr, string, string)          {}
func (watching) Passed(netip.Addr, string, string, bool)   {}
func (watching) Failed(guard.Failure) (wait time.Duration) { return 0 }
func (watching) Digest(string, string) uint16              { return 0 }

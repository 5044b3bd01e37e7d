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

// watching is a guard that says what another one foresees, and counts nothing; with nil for asked it lets
// everybody in. It implements guessing.Guard.
type watching struct {
	asked func(client netip.Addr, login, device string) (until time.Time, why error)
	// turned is told until when somebody is turned away.
	turned func(until time.Time)
}

// watch returns what the guard does to who asks: to those alone whose secret can be guessed. That is what a
// running gate says when it is asked, else what follows from the store; device makes what stands there for
// what a client calls itself.
func watch(ctx context.Context, cfg *config.Config, kept *keeper, q Question, device func(login, name string) uint32) (watching, error) {
	m, ok := sasl.Lookup(q.Mechanism)
	switch {
	case !ok || m.Token || m.Certificate:
		return watching{}, nil
	case q.Books != nil:
		return watching{q.Books.Foresee, kept.turned}, nil
	}
	admin := guard.NewAdmin(guard.AdminOptions{Store: kept.Store, Now: time.Now})
	s, err := admin.Standing(ctx, guarding.Rules(&cfg.Guard), guard.Caller{Client: q.Client, Login: q.Login, Device: device(q.Login, q.hello())})
	return watching{func(netip.Addr, string, string) (time.Time, error) { return s.Until, s.Turned }, kept.turned}, err
}

// Enter implements guessing.Guard.
func (w watching) Enter(client netip.Addr, login, device string) error {
	if w.asked == nil {
		return nil
	}
	until, why := w.asked(client, login, device)
	if why != nil {
		w.turned(until)
	}
	return why
}

func (watching) Leave(netip.Addr, string, string)          {}
func (watching) Passed(netip.Addr, string, string, bool)   {}
func (watching) Failed(guard.Failure) (wait time.Duration) { return 0 }
func (watching) Digest(string, string) uint16              { return 0 }

// Package enforcing does what the guard has decided: it sets its bans, each longer than the one
// before, again where that could not be done, and records what else was decided.
//
// It decides nothing but how long a ban is. Main types: Enforcer, Lengths.
package enforcing

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/feed"
	"countersign/internal/mail"
	"countersign/internal/tenant"
)

// Actor is who sets the guard's bans, as the record names it.
const Actor = "guard"

// Options are what an Enforcer is made of. All fields but Node are needed.
type Options struct {
	// Bans keeps bans.
	Bans access.Store
	IDs  *mail.IDSource
	Now  func() time.Time
	// Record takes events.
	Record func(audit.Event)
	// Node is the gate's, for the record; "" where there is one alone.
	Node string
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Lengths say for how long is banned. A ban is twice as long as the one before it, of the
// same network and login, where that is not longer ago than feed.KeepEnded.
type Lengths struct{ First, Longest time.Duration }

// Enforcer does what a guard.Guard has decided. Do may be called concurrently.
type Enforcer struct {
	opt     Options
	actions chan guard.Action
}

// answer is how long the store may take.
const answer = 5 * time.Second

// maxActions is how much may wait to be done: more is left undone, and counts on.
const maxActions = 1000

// New returns an Enforcer.
func New(o Options) *Enforcer {
	return &Enforcer{opt: o, actions: make(chan guard.Action, maxActions)}
}

// Do takes an guard.Action, and waits for nobody.
func (e *Enforcer) Do(a guard.Action) {
	select {
	case e.actions <- a:
	default:
		e.dropped(a)
	}
}

// dropped says that something is not done. What it was for counts on, so that the next failure
// decides it again.
func (e *Enforcer) dropped(a guard.Action) {
	e.opt.Logger.Error("the guard has decided more than can be done: a ban was not set", "ban", object(&a))
}

// Run does what comes until ctx ends. A ban that cannot be set is tried again, while who is
// to be banned is kept out in memory.
func (e *Enforcer) Run(ctx context.Context, g *guard.Guard, lengths func() Lengths) {
	var late []guard.Action
	retry := time.NewTicker(retryAfter)
	defer retry.Stop()
	for {
		select {
		case a := <-e.actions:
			switch done := e.carryOut(ctx, a, g, lengths()); {
			case done:
			case len(late) < maxActions:
				late = append(late, a)
				g.Bar(a)
			default:
				e.dropped(a)
			}
		case <-retry.C:
			late = e.again(ctx, late, g, lengths())
		case <-ctx.Done():
			return
		}
	}
}

// retryAfter is when what could not be done is tried again: before guard.Guard.Bar ends.
const retryAfter = guard.BarTime / 2

// again tries what was not done, until that fails, and returns what is left.
func (e *Enforcer) again(ctx context.Context, late []guard.Action, g *guard.Guard, l Lengths) []guard.Action {
	for _, a := range late {
		g.Bar(a)
	}
	for len(late) > 0 && e.carryOut(ctx, late[0], g, l) {
		late = late[1:]
	}
	return late
}

// carryOut does one thing; false where it is to be tried again.
func (e *Enforcer) carryOut(ctx context.Context, a guard.Action, g *guard.Guard, l Lengths) bool {
	if a.Shadow || !a.Ban {
		e.opt.Record(e.told(a))
		return true
	}
	if g.Spares(a) {
		g.Done(a)
		return true
	}
	err := e.ban(ctx, a, l)
	switch {
	case err == nil:
		g.Done(a)
		return true
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Full), fault.Is(err, fault.Canceled):
		e.opt.Logger.Warn("the guard cannot set a ban yet; who it is for is kept out all the same", "ban", object(&a), "error", err)
		return false
	}
	e.opt.Logger.Error("the guard could not set a ban", "ban", object(&a), "error", err)
	return true
}

// ban sets a ban, unless there is one.
func (e *Enforcer) ban(ctx context.Context, a guard.Action, l Lengths) error {
	bounded, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	before, err := e.opt.Bans.Bans(bounded, access.Query{Prefix: a.Network})
	if err != nil {
		return err
	}
	now := e.opt.Now().UTC().Truncate(time.Microsecond)
	length := l.First
	times := 1
	for i := range before {
		if b := &before[i]; b.Login == a.Login && b.By == Actor && b.Lifted == "" && now.Sub(b.End) < feed.KeepEnded {
			times++
			length = min(2*length, l.Longest)
		}
	}
	b := access.Ban{
		ID: e.opt.IDs.New(), Prefix: a.Network, Login: a.Login, Reason: reason(&a),
		Start: now, End: now.Add(min(length, l.Longest)), By: Actor,
	}
	event := e.event(audit.BanAdded, a)
	event.At, event.Text = now, b.Reason
	event.Data["ban"], event.Data["until"], event.Data["times"] = string(b.ID), b.End.Format(time.RFC3339), strconv.Itoa(times)
	err = e.opt.Bans.AddBan(bounded, b, tenant.Bound{}, event)
	if fault.Is(err, fault.Conflict) { // another gate was quicker, or an operator
		return nil
	}
	return err
}

// told makes the event of what is not a ban.
func (e *Enforcer) told(a guard.Action) audit.Event {
	kind := audit.GuardClosed
	if a.Shadow {
		kind = audit.GuardShadow
	}
	event := e.event(kind, a)
	event.At, event.Text = e.opt.Now(), reason(&a)
	event.Data["do"] = "close"
	if a.Ban {
		event.Data["do"] = "ban"
	} else {
		event.Data["until"] = a.Until.Format(time.RFC3339)
	}
	return event
}

func (e *Enforcer) event(kind audit.Kind, a guard.Action) audit.Event {
	event := audit.Event{
		Kind: kind, Actor: Actor, Object: "ban " + object(&a), Login: a.Login,
		Data: map[string]string{"rule": string(a.Rule), "count": strconv.Itoa(a.Count)},
	}
	if !a.Ban {
		event.Object = object(&a)
	}
	if e.opt.Node != "" {
		event.Data["node"] = e.opt.Node
	}
	return event
}

// object names what is acted on.
func object(a *guard.Action) string {
	switch {
	case !a.Network.IsValid():
		return a.Login
	case a.Login == "":
		return a.Network.String()
	}
	return a.Login + " from " + a.Network.String()
}

// reason is what is told to people: in a ban also to who is refused.
func reason(a *guard.Action) string {
	switch a.Rule {
	case guard.RuleSecrets:
		return "too many different wrong passwords for one login"
	case guard.RuleNames:
		return "too many logins failed from this network"
	}
	return "wrong passwords from too many networks"
}

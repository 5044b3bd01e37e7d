package app

import (
	"context"
	"errors"

	"countersign/internal/audit"
	"countersign/internal/node"
)

// nodeID is the id of this gate among those that may share its store, "" where none
// can.
func (a *App) nodeID() string {
	if !a.started.Store.InPostgres() {
		return ""
	}
	return a.started.Node.ID
}

// storeName is where the store is: a path, or a URL, which never holds a password.
func (a *App) storeName() string {
	if a.started.Store.InPostgres() {
		return a.started.Store.URL
	}
	return a.started.StorePath()
}

// event makes an event of this gate, which names its node where there may be others.
func (a *App) event(kind audit.Kind) audit.Event {
	e := audit.Event{At: a.opt.Now(), Kind: kind, Data: map[string]string{}}
	if id := a.nodeID(); id != "" {
		e.Data["node"] = id
	}
	return e
}

// leaseLost records that this gate has lost its lease. What is lost while it starts,
// before there is a record, stands in the log alone.
func (a *App) leaseLost(why string) {
	select {
	case <-a.recording:
		e := a.event(audit.NodeLost)
		e.Text = why
		a.recorder.Record(e)
	default:
	}
}

// joinNode takes the lease under which this gate delivers, where several share the
// store, and keeps it.
func (a *App) joinNode(ctx context.Context) error {
	if !a.cfg.Store.InPostgres() {
		return nil
	}
	a.draining = make(chan struct{})
	a.keeper = node.NewKeeper(node.KeeperOptions{
		Store:  a.store,
		Node:   node.Node{ID: a.cfg.Node.ID, Address: a.cfg.Hostname, Version: a.opt.Version},
		Length: a.cfg.Node.Lease.Std(),
		OnLost: a.leaseLost,
		OnDrain: func() {
			a.log.Info("this node is asked to drain", "node", a.cfg.Node.ID)
			close(a.draining)
		},
		Keys: a.loaded.IDs, Now: a.opt.Now, Logger: a.log,
	})
	if err := a.keeper.Join(ctx); err != nil {
		return err
	}
	// Last of all that writes, as what is stored without a lease is refused.
	a.undo("node", func(ctx context.Context) error { return a.keeper.Leave(ctx, false) })
	a.background("node lease", a.keeper.Run)
	a.health.Add("node", func(context.Context) error { return a.nodeHealth() })
	return nil
}

// errors of the check "node".
var (
	errDraining = errors.New("this node drains, or is drained; restart it to make it active")
	errNoLease  = errors.New("this node has lost its lease and waits for another; see the log")
)

// nodeHealth tells whether this node may accept and deliver.
func (a *App) nodeHealth() error {
	select {
	case <-a.draining:
		return errDraining
	default:
	}
	if !a.keeper.Holds() {
		return errNoLease
	}
	return nil
}

// watchDrain waits for the wish that this node drain. A stop waits for a drain
// that is under way, within its grace.
func (a *App) watchDrain(context.Context) error {
	if a.keeper == nil {
		return nil
	}
	waiting, endWaiting := context.WithCancel(context.Background())
	hurry, endNow := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-a.draining:
			a.drain(hurry)
		case <-waiting.Done():
		}
	}()
	a.undo("drain", func(ctx context.Context) error {
		endWaiting()
		defer endNow()
		select {
		case <-done:
		case <-ctx.Done():
			endNow()
			<-done
		}
		return nil
	})
	return nil
}

// drain lets what is under way finish, within the grace of a stop, and gives the
// rest to the other nodes. The process goes on without listeners.
func (a *App) drain(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, a.started.Session.ShutdownGrace.Std())
	defer cancel()
	err := a.stopServer(bounded)
	if a.started.Delivery.Enabled {
		err = errors.Join(err, runCleanup(bounded, cleanup{"delivery", a.deliverer.Stop}))
	}
	err = errors.Join(err,
		runCleanup(bounded, cleanup{"record", a.recorder.Flush}),
		runCleanup(bounded, cleanup{"node", func(ctx context.Context) error { return a.keeper.Leave(ctx, true) }}))
	if err != nil {
		a.log.Error("this node is drained, but not as it should be", "node", a.cfg.Node.ID, "error", err)
		return
	}
	a.log.Info("this node is drained; a restart makes it active again", "node", a.cfg.Node.ID)
}

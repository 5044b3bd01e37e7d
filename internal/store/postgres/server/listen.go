package server

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// listenCheck is how often the connection of Listen is tried while nothing
	// comes, and listenAnswer how long the server may take for that.
	listenCheck  = 10 * time.Second
	listenAnswer = 5 * time.Second
)

// Listen calls the function of a channel for each notification on it, until ctx ends, with
// a connection beside the pool, which it makes anew where it breaks. It calls up when
// it begins to hear and when it ceases to; what is sent meanwhile is lost.
// Notifications that come together may be one call.
func (db *DB) Listen(ctx context.Context, up func(bool), channels map[string]func()) {
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, lastWait) {
		heard, err := db.listenOnce(ctx, up, channels)
		if ctx.Err() != nil {
			return
		}
		if heard {
			wait = firstWait
			db.log.Warn("the database tells of changes no more; a new connection is made, and they are asked for meanwhile", "error", withoutSecrets(err))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// listenOnce is Listen with one connection. heard says that it was there.
func (db *DB) listenOnce(ctx context.Context, up func(bool), channels map[string]func()) (heard bool, err error) {
	raw, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = raw.Close(bounded)
	}()
	for channel := range channels {
		if _, err := raw.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return false, err
		}
	}
	up(true)
	defer up(false)
	for {
		channel, err := await(ctx, raw)
		switch {
		case err == nil:
			if notified := channels[channel]; notified != nil {
				notified()
			}
		case ctx.Err() != nil || !pgconn.Timeout(err) || raw.IsClosed():
			return true, err
		default: // nothing came: is it still there?
			bounded, cancel := context.WithTimeout(ctx, listenAnswer)
			err := raw.Ping(bounded)
			cancel()
			if err != nil {
				return true, err
			}
		}
	}
}

// await waits for a notification, not for longer than listenCheck, and says on which
// channel it was.
func await(ctx context.Context, raw *pgx.Conn) (channel string, err error) {
	bounded, cancel := context.WithTimeout(ctx, listenCheck)
	defer cancel()
	n, err := raw.WaitForNotification(bounded)
	if err != nil {
		return "", err
	}
	return n.Channel, nil
}

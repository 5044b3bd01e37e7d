package holding

import (
	"context"
	"encoding/json"
	"strconv"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// stand is how the deliveries of one submission stand.
type stand struct {
	id    mail.ID
	login string
	// cause is why it may not go, "" where it may; before is what it is held for.
	cause, before string
	// queued and deferred wait to be attempted; fresh and tried are held by a
	// change, without and with an attempt before.
	queued, deferred, fresh, tried int
}

// settle holds and releases in one transaction, with one event for each
// submission that changes.
func (h *Holder) settle(ctx context.Context, task *Task, found []target) error {
	ids := make([]mail.ID, len(found))
	for i, t := range found {
		ids[i] = t.id
	}
	all, err := list(ids)
	if err != nil {
		return err
	}
	return h.Change(ctx, op, func(t sqlkit.Writer) error {
		var c changes
		err := t.Query(h.sql.Stand, all, func(r *sqlkit.Row) error {
			c.add(stand{r.ID(), r.Text(), r.Text(), r.Text(), r.Int(), r.Int(), r.Int(), r.Int()})
			return nil
		})
		if err != nil {
			return err
		}
		if err := h.apply(t, &c); err != nil {
			return err
		}
		if err := t.Exec(touchSQL, sqlkit.Bind(h.Now(), task.id)); err != nil {
			return err
		}
		return h.Record(t, h.events(task, &c))
	})
}

// changes is what one portion changes.
type changes struct {
	hold, release []stand
	// rename is held already, maybe for another reason than before.
	rename []stand
	// queued, deferred and held are what the totals grow by.
	queued, deferred, held int
}

func (c *changes) add(s stand) {
	if s.cause != "" && s.fresh+s.tried > 0 {
		c.rename = append(c.rename, s)
	}
	switch {
	case s.cause == "" && s.fresh+s.tried > 0:
		c.release = append(c.release, s)
		c.queued += s.fresh
		c.deferred += s.tried
		c.held -= s.fresh + s.tried
	case s.cause != "" && s.queued+s.deferred > 0:
		c.hold = append(c.hold, s)
		c.queued -= s.queued
		c.deferred -= s.deferred
		c.held += s.queued + s.deferred
	}
}

// apply stores the changes. A released delivery that was tried before waits on
// until its time.
func (h *Holder) apply(t sqlkit.Writer, c *changes) error {
	for _, step := range []struct {
		text string
		of   []stand
	}{{h.sql.Rename, c.rename}, {h.sql.Hold, c.hold}, {h.sql.Release, c.release}} {
		if len(step.of) == 0 {
			continue
		}
		ids := make([]mail.ID, len(step.of))
		for i, s := range step.of {
			ids[i] = s.id
		}
		args, err := list(ids)
		if err != nil {
			return err
		}
		if err := t.Exec(step.text, args); err != nil {
			return err
		}
	}
	if c.hold == nil && c.release == nil {
		return nil
	}
	return h.count(t, c.queued, c.deferred, c.held)
}

// events makes the events of the changes: not one for each delivery, as those
// of one submission always change together.
func (h *Holder) events(task *Task, c *changes) []audit.Event {
	now := h.Now()
	text := task.cause.Object
	if task.cause.Text != "" {
		text += ": " + task.cause.Text
	}
	made := make([]audit.Event, 0, len(c.hold)+len(c.release))
	add := func(kind audit.Kind, s stand, reason string, deliveries int) {
		made = append(made, audit.Event{
			At: now, Kind: kind, Submission: s.id, Login: s.login, Actor: task.cause.Actor, Object: task.cause.Object,
			Reason: reason, Text: text, Data: map[string]string{"deliveries": strconv.Itoa(deliveries)},
		})
	}
	for _, s := range c.hold {
		add(audit.DeliveryHeld, s, s.cause, s.queued+s.deferred)
	}
	for _, s := range c.release {
		add(audit.DeliveryReleased, s, s.before, s.fresh+s.tried)
	}
	return made
}

// list makes the argument of json_each.
func list(ids []mail.ID) (sqlkit.Values, error) {
	text, err := json.Marshal(ids)
	return sqlkit.Bind(string(text)), err
}

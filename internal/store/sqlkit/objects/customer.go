package objects

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
)

const planColumns = "SELECT name, max_recipients, max_message_bytes, max_messages, legacy, sender_mode, state, created, revision FROM plan"

func scanPlan(r *row) account.Plan {
	return account.Plan{
		Name: r.Text(), MaxRecipients: r.Int(), MaxMessageBytes: r.Int64(), MaxMessages: r.Int(), Legacy: r.Bool(),
		SenderMode: account.SenderMode(r.Text()), State: account.State(r.Text()), Created: r.Time(), Revision: r.Int64(),
	}
}

// PutPlan implements account.PlanStore.
func (s *Store) PutPlan(ctx context.Context, p account.Plan, e audit.Event) error {
	const text = `INSERT INTO plan (name, max_recipients, max_message_bytes, max_messages, legacy, sender_mode, state, created, revision)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT (name) DO UPDATE SET max_recipients = excluded.max_recipients, max_message_bytes = excluded.max_message_bytes,
    max_messages = excluded.max_messages, legacy = excluded.legacy, sender_mode = excluded.sender_mode, state = excluded.state, revision = plan.revision + 1`
	if err := checkState("plan.put", p.State); err != nil {
		return err
	}
	if err := checkMode("plan.put", p.SenderMode); err != nil {
		return err
	}
	args := bind(p.Name, p.MaxRecipients, p.MaxMessageBytes, p.MaxMessages, p.Legacy, string(p.SenderMode), string(p.State), p.Created)
	return s.put(ctx, planObject(p.Name), p.Revision, e, func(t writer) error { return t.Exec(text, args) })
}

// Plan implements account.PlanStore.
func (s *Store) Plan(ctx context.Context, name string) (p account.Plan, err error) {
	err = s.base.Read(ctx, "plan.get", func(c reader) error {
		p, err = readPlan(ctx, c, name)
		return err
	})
	return p, err
}

// readPlan reads one plan.
func readPlan(ctx context.Context, c reader, name string) (account.Plan, error) {
	return one(ctx, c, planObject(name), planColumns+" WHERE name = ?", scanPlan)
}

// Plans implements account.PlanStore.
func (s *Store) Plans(ctx context.Context, part account.Part) (list []account.Plan, err error) {
	err = s.base.Read(ctx, "plan.list", func(c reader) error {
		list, err = listed(ctx, c, planColumns, sqlkit.Where{}, part, scanPlan)
		return err
	})
	return list, err
}

// RemovePlan implements account.PlanStore.
func (s *Store) RemovePlan(ctx context.Context, name string, e audit.Event) error {
	const inUse = "SELECT 1 FROM customer WHERE plan = ?1 UNION ALL SELECT 1 FROM account WHERE plan = ?1 LIMIT 1"
	return s.remove(ctx, planObject(name), e, inUse, "DELETE FROM plan WHERE name = ?")
}

// OnPlanSQL lists the logins of accounts with a plan of their own.
const OnPlanSQL = "SELECT login FROM account WHERE plan = ? AND login > ? ORDER BY login LIMIT ?"

// OnPlan implements account.PlanStore.
func (s *Store) OnPlan(ctx context.Context, name, after string, limit int) (list []string, err error) {
	err = s.base.Read(ctx, "plan.accounts", func(c reader) error {
		list, err = sqlkit.All(ctx, c, OnPlanSQL, bind(name, after, limit), (*row).Text)
		return err
	})
	return list, err
}

const customerColumns = "SELECT name, plan, state, created, revision FROM customer"

func scanCustomer(r *row) account.Customer {
	return account.Customer{Name: r.Text(), Plan: r.Text(), State: account.State(r.Text()), Created: r.Time(), Revision: r.Int64()}
}

// PutCustomer implements account.CustomerStore.
func (s *Store) PutCustomer(ctx context.Context, cu account.Customer, e audit.Event) error {
	const op = "customer.put"
	const text = `INSERT INTO customer (name, plan, state, created, revision) VALUES (?, nullif(?, ''), ?, ?, 1)
    ON CONFLICT (name) DO UPDATE SET plan = excluded.plan, state = excluded.state, revision = customer.revision + 1`
	if err := checkState(op, cu.State); err != nil {
		return err
	}
	args := bind(cu.Name, cu.Plan, string(cu.State), cu.Created)
	return s.put(ctx, customerObject(cu.Name), cu.Revision, e, func(t writer) error {
		if cu.Plan != "" {
			if err := planObject(cu.Plan).require(t, op); err != nil {
				return err
			}
		}
		return t.Exec(text, args)
	})
}

// Customer implements account.CustomerStore.
func (s *Store) Customer(ctx context.Context, name string) (cu account.Customer, err error) {
	err = s.base.Read(ctx, "customer.get", func(c reader) error {
		cu, err = one(ctx, c, customerObject(name), customerColumns+" WHERE name = ?", scanCustomer)
		return err
	})
	return cu, err
}

// Customers implements account.CustomerStore.
func (s *Store) Customers(ctx context.Context, part account.Part) (list []account.Customer, err error) {
	err = s.base.Read(ctx, "customer.list", func(c reader) error {
		list, err = listed(ctx, c, customerColumns, sqlkit.Where{}, part, scanCustomer)
		return err
	})
	return list, err
}

// RemoveCustomer implements account.CustomerStore.
func (s *Store) RemoveCustomer(ctx context.Context, name string, e audit.Event) error {
	return s.remove(ctx, customerObject(name), e, "SELECT 1 FROM domain WHERE customer = ? LIMIT 1", "DELETE FROM customer WHERE name = ?")
}

package waiting

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/sqlkit"
)

// once is the condition that nothing of a submission s was held for its certificate before. As
// a number that is compared it is looked up by the submission, never joined.
const once = "(SELECT count(*) FROM event h WHERE h.submission = s.id AND h.submission <> '' AND h.kind = '" + string(audit.DeliveryHeld) +
	"' AND h.reason = '" + queue.HoldCertificate + "') = 0"

// certifiedPage is how many submissions are looked at together.
const certifiedPage = 1000

// CertifiedSQL makes the query of submissions with content numbers above one, at most so many,
// under credentials of n kinds: with the certificate that the record names, "" for none, and
// how many of their deliveries are to be attempted.
func CertifiedSQL(d *sqlkit.Dialect, n int) string {
	return `SELECT s.content, s.id,
    coalesce((SELECT CASE WHEN data <> '' THEN ` + d.Member(queue.CertificatePath) + ` END FROM event e
        WHERE e.submission = s.id AND e.submission <> '' AND e.kind = '` + string(audit.Accepted) + `' LIMIT 1), ''),
    (SELECT count(*) FROM delivery v WHERE v.submission = s.id AND ` + d.Aside + `v.state < 3)
    FROM submission s WHERE s.content > ? AND s.credential IN (SELECT y.id FROM credential y WHERE y.kind IN (` +
		strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + `)) AND ` + once + ` ORDER BY s.content LIMIT ?`
}

// Certified implements queue.CertifiedStore.
func (q *Queue) Certified(ctx context.Context, kinds []string, each func([]queue.Came) error) error {
	if len(kinds) == 0 {
		return nil
	}
	text := CertifiedSQL(q.opt.Dialect, len(kinds))
	for after := int64(-1); ; {
		args := []any{after}
		for _, kind := range kinds {
			args = append(args, kind)
		}
		var found []queue.Came
		rows := 0
		err := q.opt.Base.Read(ctx, "queue.certified", func(c sqlkit.Reader) error {
			found, rows = nil, 0
			return c.Query(ctx, text, sqlkit.Bind(append(args, certifiedPage)...), func(r *row) error {
				rows++
				after = r.Int64()
				if s := (queue.Came{Submission: r.ID(), Path: r.Text(), Deliveries: r.Int()}); s.Path != "" && s.Deliveries > 0 {
					found = append(found, s)
				}
				return nil
			})
		})
		if err == nil && len(found) > 0 {
			err = each(found)
		}
		if err != nil || rows < certifiedPage {
			return err
		}
	}
}

// ComingSQL makes the query of the deliveries that HoldCertified holds.
func ComingSQL(d *sqlkit.Dialect) string {
	return "SELECT v.submission, v.n, s.login, v.local, v.destination, v.state, v.attempts FROM " + d.Listed + d.Cross + "submission s ON s.id = j.value" + d.Cross +
		"delivery v ON v.submission = s.id WHERE " + d.Aside + "v.state < 3 AND " + once
}

// HoldCertified implements queue.CertifiedStore.
func (q *Queue) HoldCertified(ctx context.Context, submissions []mail.ID, e audit.Event) (held int, err error) {
	if len(submissions) == 0 {
		return 0, nil
	}
	list, err := json.Marshal(submissions)
	if err != nil {
		return 0, err
	}
	err = q.opt.Base.Change(ctx, "queue.hold", func(t sqlkit.Writer) error {
		var found []target
		err := t.Query(ComingSQL(q.opt.Dialect), sqlkit.Bind(string(list)), func(r *row) error {
			found = append(found, target{
				submission: r.ID(), n: r.Int(), login: r.Text(), to: mail.Address{Local: r.Text(), Domain: r.Domain()}, state: r.Int(), tried: r.Int() > 0,
			})
			return nil
		})
		slices.SortFunc(found, func(a, b target) int {
			return cmp.Or(cmp.Compare(a.submission, b.submission), cmp.Compare(a.n, b.n))
		})
		if err == nil {
			held, _, err = q.change(t, found, q.holdStep(queue.HoldCertificate), e)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return held, nil
}

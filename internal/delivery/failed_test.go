package delivery

import (
	"testing"
	"testing/synctest"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/testkit"
)

// TestFailedRecipientsAreCounted: those that another server has refused for good are counted
// with their outcome, and nothing else: not those that wait, that find no server, or that
// are of automatic mail.
func TestFailedRecipientsAreCounted(t *testing.T) {
	levels := []limit.Level{{Subject: limit.Subject{Kind: limit.Account, Name: "a@example.net"}}}
	for name, c := range map[string]struct {
		script    func(testkit.Step) testkit.Action
		automatic bool
		levels    []limit.Level
		to        []string
		want      int64
	}{
		"refused for good":         {say("RCPT", "550 5.1.1 who"), false, levels, []string{"b@example.org", "c@example.org"}, 2},
		"refused with the content": {say("END", "554 5.7.1 spam"), false, levels, []string{"b@example.org"}, 1},
		"of automatic mail":        {say("RCPT", "550 5.1.1 who"), true, levels, []string{"b@example.org"}, 0},
		"greylisted":               {say("RCPT", "451 4.2.0 grey"), false, levels, []string{"b@example.org"}, 0},
		"taken":                    {say("NOOP", ""), false, levels, []string{"b@example.org"}, 0},
		"no such domain":           {say("NOOP", ""), false, levels, []string{"b@example.invalid"}, 0},
		"nobody has such limits":   {say("RCPT", "550 5.1.1 who"), false, nil, []string{"b@example.org"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.server("example.org", "192.0.2.1", 10, &testkit.MX{Script: c.script})
				b.server("example.net", "192.0.2.3", 10, &testkit.MX{})
				var asked *queue.Submission
				b.opt.Failed = func(s *queue.Submission) []limit.Level { asked = s; return c.levels }
				defer b.start()()
				a := b.letter(c.to...)
				if c.automatic {
					a.Submission.Envelope.From = mail.Address{}
				}
				b.put(a)
				b.store.until(t, func() bool { return len(b.store.reports) > 0 })
				got := int64(0)
				for _, r := range b.store.got() {
					if r.Counted == nil {
						continue
					}
					if len(r.Counted.Levels) != 1 || asked == nil || asked.ID != a.Submission.ID {
						t.Errorf("counted is %+v of %+v", r.Counted, asked)
					}
					got += r.Counted.Want[limit.FailedRecipients]
				}
				if got != c.want {
					t.Errorf("%d are counted, want %d", got, c.want)
				}
			})
		})
	}
}

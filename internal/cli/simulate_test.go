package cli

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// history makes events of one account, so long before now.
type history struct {
	now    time.Time
	events []audit.Event
}

const pastLogin = "ann@example.org"

func (p *history) add(kind audit.Kind, ago time.Duration, session, submission string, data map[string]string) *audit.Event {
	p.events = append(p.events, audit.Event{
		At: p.now.Add(-ago), Kind: kind, Login: pastLogin, Session: mail.ID(session), Submission: mail.ID(submission), Data: data,
	})
	return &p.events[len(p.events)-1]
}

// elsewhere is the session that comes from another network than all others do.
const elsewhere = "01K0SESS30000000000000000A"

// sent is a message that was accepted, and delivered at once; to whom "!" is in front of, another server refused it.
func (p *history) sent(ago time.Duration, session, submission, from string, to ...string) {
	accepted := p.add(audit.Accepted, ago, session, submission, map[string]string{"from": from, "recipients": strconv.Itoa(len(to)), "size": "1000"})
	if accepted.Client = "192.0.2.1"; session == elsewhere {
		accepted.Client = "2001:db8::3"
	}
	for _, r := range to {
		kind, code := audit.DeliveryDelivered, 250
		if strings.HasPrefix(r, "!") {
			kind, code = audit.DeliveryFailed, 550
		}
		e := p.add(kind, ago-time.Second, session, submission, map[string]string{"to": strings.Trim(r, "!") + "@there.example", "remote": "mx.there.example [192.0.2.1]"})
		e.Code = code
	}
}

// TestSimulateByTheRecord: what limits would have done is told by what the record has.
func TestSimulateByTheRecord(t *testing.T) {
	path, store := smallStore(t)
	const first, second, third = "01K0SESS10000000000000000A", "01K0SESS20000000000000000A", elsewhere
	submission := func(n int) string { return "01K0M" + strconv.Itoa(100+n) + "000000000000000000" }
	p := &history{now: time.Now().UTC().Truncate(time.Microsecond)}
	p.sent(80*24*time.Hour, first, submission(0), pastLogin, "old")
	p.add(audit.AuthPassed, 50*time.Minute, first, "", nil)
	p.sent(49*time.Minute, first, submission(1), pastLogin, "old", "a", "!b")
	p.sent(48*time.Minute, first, submission(2), "", "!c") // automatic mail
	p.add(audit.AuthPassed, 47*time.Minute, second, "", nil)
	p.sent(46*time.Minute, second, submission(3), pastLogin, "a", "d")
	p.add(audit.SessionClosed, 45*time.Minute, first, "", nil)
	p.add(audit.AuthPassed, 44*time.Minute, third, "", nil)
	p.sent(43*time.Minute, first, submission(4), pastLogin, "!e")
	p.sent(42*time.Minute, third, submission(5), pastLogin, "a")
	if err := store.Append(t.Context(), p.events); err != nil {
		t.Fatal(err)
	}
	for limits, want := range map[string]string{
		"recipients/message=2":                          "1 of 5 messages would have been over, with 3 of 8 recipients\nof these 1 deferred\n",
		"bytes/message=999":                             "5 of 5 messages would have been over, with 8 of 8 recipients\nof these 5 refused for good\n",
		"messages/connection=2 recipients/connection=3": "2 of 5 messages would have been over, with 2 of 8 recipients\nof these 2 deferred\n",
		"bytes/connection=1000":                         "2 of 5 messages would have been over, with 2 of 8 recipients\nof these 2 deferred\n",
		"new-recipients/day=2":                          "3 of 5 messages would have been over, with 4 of 8 recipients\nof these 3 deferred\n",
		"failed-recipients/day=1":                       "4 of 5 messages would have been over, with 5 of 8 recipients\nof these 4 deferred\n",
		"failed-recipients/day=2":                       "1 of 5 messages would have been over, with 1 of 8 recipients\nof these 1 deferred\n",
		"connections/at-once=1":                         "0 of 5 messages would have been over, with 0 of 8 recipients\n1 of 3 connections would have been turned away\n",
		"connections/hour=1":                            "0 of 5 messages would have been over, with 0 of 8 recipients\n2 of 3 connections would have been turned away\n",
	} {
		for _, whose := range []string{"--each account", "--account " + pastLogin, "--domain example.org"} {
			status, out, failed := simulated(path, whose+" "+limits)
			if status != statusDone {
				t.Fatalf("%s: status %d: %s", limits, status, failed)
			}
			if !strings.HasPrefix(out, want) {
				t.Errorf("%s %s: said is\n%swant\n%s", whose, limits, out, want)
			}
			if strings.Contains(want, "connections would") && !strings.Contains(out, "CONNECTIONS") {
				t.Errorf("%s: without a column: %s", limits, out)
			}
		}
	}
	for question, want := range map[string]string{
		"--each network messages/hour=2":                          "2 of 5 messages would have been over, with 3 of 8 recipients\nof these 2 deferred\n",
		"--network 192.0.2.1 messages/hour=2":                     "2 of 4 messages would have been over, with 3 of 7 recipients\nof these 2 deferred\n",
		"--network 2001:db8::/64 bytes/message=999":               "1 of 1 messages would have been over, with 1 of 1 recipients\nof these 1 refused for good\n",
		"--network 198.51.100.1 messages/hour=2":                  "0 of 0 messages would have been over, with 0 of 0 recipients\n",
		"--network 192.0.2.1 failed-recipients/hour=1":            "countersign: failed recipients cannot be counted of a network",
		"--account ann@example.org messages/hour=2 --action slow": "3 of 5 messages would have been over, with 4 of 8 recipients\nof these 3 slowed by 1h5",
		"--account ann@example.org messages/hour=2 --action hold": "3 of 5 messages would have been over, with 4 of 8 recipients\nof these 3 held\n",
		"--domain example.org recipients/hour=8 --share 50":       "3 of 5 messages would have been over, with 4 of 8 recipients\nof these 3 deferred\n",
		"--domain example.org recipients/hour=4 --shadow":         "3 of 5 messages would have been over, with 4 of 8 recipients\nof these 3 let pass and noted\n",
	} {
		if _, out, failed := simulated(path, question); !strings.HasPrefix(out+failed, want) {
			t.Errorf("%s: said is\n%s%swant\n%s", question, out, failed, want)
		}
	}
}

// simulated runs "limit simulate" for the last two hours.
func simulated(path, question string) (status int, stdout, stderr string) {
	var out, failed bytes.Buffer
	args := append([]string{"--config", path, "limit", "simulate", "--since", "2h"}, strings.Fields(question)...)
	status = Run(args, strings.NewReader(""), &out, &failed, SystemEnv("test"))
	return status, out.String(), failed.String()
}

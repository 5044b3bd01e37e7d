// Package warning writes to people that most of a sending limit is used: to whose limit it is,
// and to whoever runs the gate.
//
// A warning is a message of ours with the null sender, as reports are: it counts in no limit,
// and nothing is ever reported about it (RFC 5321 section 4.5.5), so that none leads to
// another. It does not decide when somebody is warned; that is for package limit.
//
// Main types: Writer.
package warning

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/queue"
)

// Writer writes warnings. It is safe for concurrent use.
type Writer struct {
	IDs *mail.IDSource
	Now func() time.Time
	// Host is the domain of the warnings' author.
	Host string
	// Lifetime is for how long they are tried.
	Lifetime time.Duration
	// Operator gets them all, as far as Ceiling lets them through; the null address for nobody.
	Operator mail.Address
	// Ceiling bounds the mails to the operator; nil does not.
	Ceiling *Ceiling
	// Sign returns header fields to put on top; nil leaves them unsigned.
	Sign   func(head, body []byte) ([]byte, error)
	Logger *slog.Logger
}

// Notices returns what is stored with a message of which some limits are near. Whose account
// it is hears of limits of the account and its credentials; of others, which others use
// too, the operator alone.
func (w *Writer) Notices(cause *queue.Submission, near []limit.Breach) (list []queue.Notice) {
	for i := range near {
		b := &near[i]
		n := queue.Notice{About: b.Key()}
		for _, to := range w.recipients(cause.Login, b) {
			n.Messages = append(n.Messages, w.message(cause, to, b))
		}
		list = append(list, n)
	}
	return list
}

// recipients are those who hear of a limit: nobody where that would be a mail a minute, and nobody of
// recipients that fail, whose number the servers of others decide. The record has them all.
func (w *Writer) recipients(login string, b *limit.Breach) (list []mail.Address) {
	l := &b.Limit
	if l.Quiet || l.Window == limit.Minute || l.Measure == limit.FailedRecipients {
		return nil
	}
	owner, err := mail.ParseAddress(login)
	if err == nil && b.Subject.Kind <= limit.Account {
		list = append(list, owner)
	}
	if !w.Operator.IsNull() && (len(list) == 0 || w.Operator != owner) && w.mayTell(b) {
		list = append(list, w.Operator)
	}
	return list
}

// message makes a warning.
func (w *Writer) message(cause *queue.Submission, to mail.Address, b *limit.Breach) queue.Acceptance {
	id, now := w.IDs.New(), w.Now()
	head, body := []byte(w.head(id, to, now)), []byte(text(cause.Login, b, now))
	if w.Sign != nil {
		fields, err := w.Sign(head, body)
		if err != nil { // unsigned it is better than none
			w.Logger.Warn("warning cannot be signed", "submission", cause.ID, "error", err)
		}
		head = append(fields[:len(fields):len(fields)], head...)
	}
	a := queue.Acceptance{
		Submission: queue.Submission{
			ID: id, Cause: cause.ID, Customer: cause.Customer, At: now, Expires: now.Add(w.Lifetime),
			Envelope: mail.Envelope{Body: mail.Body8Bit, SMTPUTF8: !to.IsASCII()}, Size: int64(len(head) + len(body)),
		},
		Deliveries: []queue.Delivery{{Submission: id, N: 1, State: queue.Queued, Next: now, Recipient: mail.Recipient{To: to}}},
		Content:    queue.Content{Head: head, Body: body},
		Events: []audit.Event{{
			At: now, Kind: audit.BounceAccepted, Submission: id,
			Data: map[string]string{"cause": cause.ID.String(), "to": to.String(), "limit": b.Limit.String(), limit.DataSubject: b.Subject.String()},
		}},
	}
	return a
}

// head is the header. RFC 3834 section 5 has "auto-generated" for what answers nobody.
func (w *Writer) head(id mail.ID, to mail.Address, now time.Time) string {
	return strings.Join([]string{
		"From: Mail Limits <MAILER-DAEMON@" + w.Host + ">",
		"To: <" + to.String() + ">",
		"Subject: Most of a sending limit is used",
		"Date: " + message.FormatDate(now),
		"Message-ID: <" + id.String() + "@" + w.Host + ">",
		"Auto-Submitted: auto-generated",
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: 8bit",
		"", "",
	}, "\r\n")
}

// text says what is used of what, and when.
func text(login string, b *limit.Breach, now time.Time) string {
	whose := b.Subject.String()
	if b.Subject.Kind == limit.Credential {
		whose = "a credential of account " + login
	}
	window, _ := b.Limit.Window.Span()
	lines := []string{
		"Most of a sending limit is used.",
		"",
		"  whose:   " + whose,
		"  limit:   " + b.Limit.Bound(),
		fmt.Sprintf("  used:    %d, at %s UTC", b.Used+b.Want, now.UTC().Format("2006-01-02 15:04:05")),
		"  account: " + login + " sent the message that led to this warning",
		"",
		fmt.Sprintf("What was sent stops counting %s later. Once the limit is used up, what comes is: %s.", span(window), outcome[b.Limit.Action]),
		"If nobody sent so much on purpose, somebody else may know the password: change it.",
		"This warning comes once in the time of the limit.",
		"",
	}
	return strings.Join(lines, "\r\n")
}

// span writes a duration as people do.
func span(d time.Duration) string {
	switch hours := int(d / time.Hour); {
	case hours >= 48:
		return fmt.Sprint(hours/24, " days")
	case hours > 1:
		return fmt.Sprint(hours, " hours")
	case hours == 1:
		return "an hour"
	}
	return "a minute"
}

// outcome says what becomes of what is over a limit.
var outcome = map[limit.Action]string{
	limit.Defer: "refused for the moment, until there is room again", limit.Refuse: "refused",
	limit.Slow: "accepted, and sent when there is room again", limit.Hold: "accepted, and held until somebody looks at it",
}

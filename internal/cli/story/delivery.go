package story

import (
	"fmt"
	"time"

	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Delivery is a waiting delivery as it is printed.
type Delivery struct {
	Submission mail.ID     `json:"submission"`
	N          int         `json:"n"`
	State      queue.State `json:"state"`
	Account    string      `json:"account"`
	// Credential is what it came under, "" for a report.
	Credential mail.ID   `json:"credential,omitempty"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Size       int64     `json:"size"`
	Accepted   time.Time `json:"accepted"`
	Expires    time.Time `json:"expires"`
	Attempts   int       `json:"attempts"`
	// Next is when a queued or deferred delivery is due.
	Next       *time.Time `json:"next,omitempty"`
	HoldReason string     `json:"hold_reason,omitempty"`
	Last       *Result    `json:"last,omitempty"`
}

// Result is how an attempt ended.
type Result struct {
	At       time.Time `json:"at"`
	Code     int       `json:"code"`
	Enhanced string    `json:"enhanced"`
	Text     string    `json:"text"`
	Remote   string    `json:"remote"`
}

// View returns what is printed of an item of the queue.
func View(item queue.Item) Delivery {
	d, s := item.Delivery, item.Submission
	v := Delivery{
		Submission: d.Submission, N: d.N, State: d.State, Account: s.Login, Credential: s.Credential,
		From: s.Envelope.From.String(), To: d.Recipient.To.String(), Size: s.Size,
		Accepted: s.At, Expires: s.Expires, Attempts: d.Attempts, HoldReason: d.HoldReason,
	}
	if d.State != queue.Held {
		v.Next = &d.Next
	}
	if d.Last != (queue.Result{}) {
		v.Last = &Result{d.Last.At, d.Last.Code, d.Last.Enhanced, d.Last.Text, d.Last.Remote}
	}
	return v
}

// Outlook says in one line what will become of a delivery, or why not.
func (v Delivery) Outlook() string {
	switch {
	case v.State == queue.Held, v.HoldReason != "":
		return v.HoldReason
	case v.Last != nil:
		return fmt.Sprintf("%d %s %s", v.Last.Code, v.Last.Enhanced, v.Last.Text)
	}
	return ""
}

// Waits is what HoldReason is a reason of: that it is held, or that it waits for its turn.
func (v Delivery) Waits() string {
	if v.State == queue.Held {
		return "held"
	}
	return "waits"
}

// Due says when the next attempt is due.
func (v Delivery) Due() string {
	if v.Next == nil {
		return ""
	}
	return table.Stamp(*v.Next)
}

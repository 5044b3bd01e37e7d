package story

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
)

// Event is an event as JSON.
type Event struct {
	Seq        int64             `json:"seq"`
	At         time.Time         `json:"at"`
	Kind       audit.Kind        `json:"kind"`
	Session    mail.ID           `json:"session,omitempty"`
	Submission mail.ID           `json:"submission,omitempty"`
	Delivery   int               `json:"delivery,omitempty"`
	Account    string            `json:"account,omitempty"`
	Actor      string            `json:"actor,omitempty"`
	Client     string            `json:"client,omitempty"`
	Object     string            `json:"object,omitempty"`
	Code       int               `json:"code,omitempty"`
	Enhanced   string            `json:"enhanced,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Text       string            `json:"text,omitempty"`
	Data       map[string]string `json:"data,omitempty"`
}

// ViewEvent returns what is printed of an event.
func ViewEvent(e audit.Event) Event {
	return Event{
		e.Seq, e.At, e.Kind, e.Session, e.Submission, e.Delivery, e.Login, e.Actor, e.Client,
		e.Object, e.Code, e.Enhanced, e.Reason, e.Text, e.Data,
	}
}

// PrintEvents prints events without their story, a line each, or a JSON object
// each. A line has time, kind, the id of the submission or else the session,
// account, client, and what there is to say.
func PrintEvents(w io.Writer, asJSON bool, events []audit.Event) error {
	t := table.New(w)
	for _, e := range events {
		if asJSON {
			if err := table.JSONLine(w, ViewEvent(e)); err != nil {
				return err
			}
			continue
		}
		id := e.Submission
		if id == "" {
			id = e.Session
		}
		object := e.Object
		if strings.HasPrefix(e.Text, object) { // as in what follows from a suspension
			object = ""
		}
		if object != "" && e.Text != "" {
			object += ":"
		}
		said := joined(object, tell(e), after("by ", e.Actor), data(e))
		t.Row(exactly(e.At), string(e.Kind), id.String(), e.Login, e.Client, said)
	}
	return t.Flush()
}

// exactly prints a time to the millisecond.
func exactly(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.000Z") }

// tell says what an event is about in itself: which recipient, which reply.
func tell(e audit.Event) string {
	which, code, reason := "", "", ""
	if e.Delivery > 0 {
		which = "#" + strconv.Itoa(e.Delivery)
	}
	if e.Code != 0 {
		code = strconv.Itoa(e.Code)
	}
	if e.Reason != "" {
		reason = "[" + e.Reason + "]"
	}
	return joined(which, e.Data["to"], code, e.Enhanced, e.Text, reason)
}

// data prints what else belongs to an event, in the order of the keys.
func data(e audit.Event) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		if value := e.Data[key]; value != "" && key != "to" {
			parts = append(parts, key+"="+value)
		}
	}
	return joined(parts...)
}

// after puts a word before a text that is not empty.
func after(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}

// joined puts spaces between the parts that are not empty.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

package limit

import (
	"strconv"
	"time"

	"countersign/internal/audit"
)

// What the data of events says of how somebody was counted: that of an acceptance all of it, that of a
// login DataCredential; and of limits.
const (
	// DataCredential is the id of the credential, NoCredential where there is none.
	DataCredential = "credential_id"
	NoCredential   = "none"
	// DataCounts is CountsApart of a message that no limit counts, as it is for help.
	DataCounts  = "counts"
	CountsApart = "apart"
	// DataSubject is whose limit an event is about, DataOf of whom it is a share; both as Subject.String has them.
	DataSubject = "subject"
	DataOf      = "of"
)

// Event makes the event of a change of a rule.
func (r *Rule) Event(kind audit.Kind, at time.Time, actor, text string) audit.Event {
	e := audit.Event{At: at, Kind: kind, Actor: actor, Object: "limit " + r.Object(), Text: text, Data: map[string]string{"rule": string(r.ID)}}
	if r.For.Kind == Account && r.For.Name != Each {
		e.Login = r.For.Name
	}
	if !r.End.IsZero() {
		e.Data["until"] = r.End.Format(time.RFC3339)
	}
	if r.Limit.Action != Defer {
		e.Data["action"] = r.Limit.Action.String()
	}
	if r.Limit.Share > 0 {
		e.Data["share"] = strconv.Itoa(r.Limit.Share)
	}
	if r.Limit.Shadow {
		e.Data["shadow"] = "true"
	}
	if r.Limit.Away != AwayOpen {
		e.Data["store_away"] = r.Limit.Away.String()
	}
	if r.Limit.Least > 0 {
		e.Data["least"] = strconv.FormatInt(r.Limit.Least, 10)
	}
	if r.Limit.Quiet {
		e.Data["mail"] = "none"
	}
	return e
}

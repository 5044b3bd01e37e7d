package shown

import (
	"time"

	"countersign/internal/limit"
	"countersign/internal/mail"
)

// Limit is what is shown of a limit, or of what is allowed on top of one.
type Limit struct {
	ID      mail.ID    `json:"id"`
	Kind    string     `json:"kind"`
	Name    string     `json:"name,omitempty"` // * for each of the kind; LOGIN/NAME of a credential
	Measure string     `json:"measure"`
	Window  string     `json:"window"`
	Max     int64      `json:"max"`
	Extra   bool       `json:"extra,omitempty"`  // on top of the limit that holds otherwise
	Action  string     `json:"action,omitempty"` // left out of what is extra
	Shadow  bool       `json:"shadow,omitempty"`
	Share   int        `json:"share,omitempty"`      // of one account, in percent
	Away    string     `json:"store_away,omitempty"` // of connections: open, closed or share
	Least   int64      `json:"least,omitempty"`      // of a share of failed recipients
	NoMail  bool       `json:"no_mail,omitempty"`
	Because string     `json:"because,omitempty"`
	Start   time.Time  `json:"start"`
	End     *time.Time `json:"end,omitempty"` // left out where it never ends
	By      string     `json:"by"`
	Lifted  string     `json:"lifted_by,omitempty"`
	State   string     `json:"state"` // holds, ended or lifted
}

// LimitAt shows limits as of now.
func LimitAt(now time.Time) func(limit.Rule) Limit {
	return func(r limit.Rule) Limit {
		l := &r.Limit
		v := Limit{
			ID: r.ID, Kind: r.For.Kind.String(), Name: r.For.Name, Measure: l.Measure.String(), Window: l.Window.String(), Max: l.Max, Extra: r.Extra,
			Shadow: l.Shadow, Share: l.Share, Because: r.Because, Start: r.Start, End: stamp(r.End), By: r.By, Lifted: r.Lifted,
			State: state(r.Holds(now), r.Lifted, Lifted),
		}
		v.Least, v.NoMail = l.Least, l.Quiet
		if l.Measure == limit.Connections && !r.Extra {
			v.Away = l.Away.String()
		}
		if !r.Extra {
			v.Action = l.Action.String()
		}
		return v
	}
}

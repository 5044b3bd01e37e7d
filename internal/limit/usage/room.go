package usage

import (
	"time"

	"countersign/internal/limit"
	"countersign/internal/mail"
)

// Room is how much of a limit is used.
type Room struct {
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	Limit  string `json:"limit"`
	Max    int64  `json:"max"`
	Used   int64  `json:"used"`
	Left   int64  `json:"left"`
	Action string `json:"action"`
	Shadow bool   `json:"shadow,omitempty"`
	// From is from when on there is room for one more; left out for never. Of one message or connection
	// nothing is used, as the next one is meant.
	From *time.Time `json:"room_from,omitempty"`
	// SetFor is whom the rule is set for, with "+" where something is allowed on top.
	SetFor string     `json:"set_for"`
	Until  *time.Time `json:"until,omitempty"`
	Rule   mail.ID    `json:"rule"`
	// Share says that it is the account's share, which counts once half of the whole is used: Left is what it
	// may send until it is held to it, one by one.
	Share bool `json:"share,omitempty"`

	// Label names who it is about, for people.
	Label string `json:"-"`
	// Full says that there is no room now, Busy that there is when somebody goes.
	Full bool `json:"-"`
	Busy bool `json:"-"`
	// Passing names what the limit is of, where that is one message or connection; "" else.
	Passing string `json:"-"`
}

// room tells how much of a limit is used at a moment. credential is the name of one, "" for
// what is none.
func room(s limit.Subject, credential string, l limit.Limit, c *limit.Counter, at time.Time) Room {
	r := Room{
		Kind: s.Kind.String(), Name: s.Name, Limit: l.String(), Max: l.Max, Used: c.UsedOf(l, at),
		Action: l.Action.String(), Shadow: l.Shadow, Label: s.String(),
	}
	if s.Kind == limit.Credential {
		r.Name, r.Label = credential, s.Kind.String()+" "+credential
	}
	r.Left = max(l.Max-r.Used, 0)
	from, ever := c.RoomOf(l, at)
	if ever {
		r.From = &from
	}
	r.Full = !ever || from.After(at)
	r.Busy = l.Window == limit.AtOnce && r.Left == 0
	if l.Window.Passing() {
		r.Passing = l.Window.String()
	}
	return r
}

// share tells how the account stands to its share of a limit: own is its counter, whole that of whom
// the limit bounds.
func share(of limit.Subject, l limit.Limit, own, whole *limit.Counter, at time.Time) Room {
	r := room(of, "", l.Part(), own, at)
	r.Share, r.Label, r.From = true, "its share of "+r.Label, nil
	left, from, ever := l.RoomOfShare(own, whole, at)
	if ever {
		r.From = &from
	}
	r.Left, r.Full, r.Busy = left, !ever || from.After(at), l.Window == limit.AtOnce && left == 0
	return r
}

// by says which rule it is.
func (r *Room) by(rule *limit.Rule, extra bool) {
	if rule == nil {
		return
	}
	r.SetFor, r.Rule = Subject(rule.For), rule.ID
	if rule.For.Kind == limit.Credential && rule.For.Name != limit.Each {
		r.SetFor = r.Label
	}
	if extra {
		r.SetFor += ", and more allowed"
	}
	if !rule.End.IsZero() {
		r.Until = &rule.End
	}
}

// Subject names in words whom a rule is for.
func Subject(s limit.Subject) string {
	if s.Name == limit.Each {
		return "each " + s.Kind.String()
	}
	return s.String()
}

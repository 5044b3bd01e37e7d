// Package terms reads what is said of limits beside their numbers: by requests of the API, and for
// limits that are set as for those that are only tried on the past.
//
// What a limit may be is decided in package limit.
//
// Main types: Terms.
package terms

import (
	"countersign/internal/fault"
	"countersign/internal/limit"
)

// Terms are said of several limits at once. The zero value says nothing.
type Terms struct {
	Action string `json:"action" among:"defer,refuse,slow,hold" text:"What becomes of a message that is over one: defer, refuse, slow or hold; defer where nothing is said."`
	Share  *int   `json:"share" text:"How much of it one account may have once half of it is used, in percent."`
	Least  *int64 `json:"least" text:"Of a failed-share: how many recipients have to have failed before it counts."`
	Shadow bool   `json:"shadow" text:"Let pass what is over it, and record that it was; beside the limit that counts, which stays."`
}

// Apply puts them into each of the limits. Errors are fault.Invalid; member is the field that is wrong
// then.
func (t *Terms) Apply(list []limit.Limit) (member string, err error) {
	for i := range list {
		one := &list[i]
		one.Shadow = t.Shadow
		if t.Action != "" {
			if one.Action, err = limit.ParseAction(t.Action); err != nil {
				return "action", err
			}
		}
		if t.Share != nil {
			if one.Share = *t.Share; one.Share == 0 {
				return "share", fault.New("limit.terms", fault.Invalid, "is of 1 to 100 percent; leave it out where one account may have all")
			}
		}
		if t.Least != nil {
			one.Least = *t.Least
		}
	}
	return "", nil
}

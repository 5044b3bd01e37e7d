package audit

import (
	"net/netip"
	"path"
	"strings"
	"time"

	"countersign/internal/mail"
)

// Query selects events. Zero fields do not restrict.
type Query struct {
	Session    mail.ID
	Submission mail.ID
	Login      string
	// Kind is one kind, or a pattern of path.Match for several: "delivery.*".
	Kind Kind
	// Client is a network that the client is in.
	Client netip.Prefix
	// From and To are the addresses that an event's Data has as "from" and
	// "to", compared without regard to the case of ASCII letters.
	From, To mail.Address
	// Reason, Actor and Object are compared as they are.
	Reason, Actor, Object string
	// Since is the earliest time, Until the first that is too late.
	Since time.Time
	Until time.Time
	// AfterSeq continues a listing, BeforeSeq one that goes backwards; 0 for
	// none.
	AfterSeq, BeforeSeq int64
	// Newest asks for the last events where there are more than Limit, which
	// are in the same order.
	Newest bool
	// Limit bounds the answer; 0 means 1000.
	Limit int
}

// ByID reports whether q asks for one session or submission.
func (q *Query) ByID() bool { return q.Session != "" || q.Submission != "" }

// Kinds returns the kinds that q's Kind stands for: itself, or those of the
// catalogue that match it. None matches where it is nil.
func (q *Query) Kinds() []Kind {
	if !strings.ContainsAny(string(q.Kind), `*?[\`) {
		return []Kind{q.Kind}
	}
	var all []Kind
	for _, m := range Kinds() {
		if ok, err := path.Match(string(q.Kind), string(m.Kind)); err == nil && ok {
			all = append(all, m.Kind)
		}
	}
	return all
}

// Matches reports whether q selects e, apart from Limit.
func (q *Query) Matches(e *Event) bool {
	text := func(want, is string) bool { return want == "" || want == is }
	return text(string(q.Session), string(e.Session)) && text(string(q.Submission), string(e.Submission)) &&
		text(q.Login, e.Login) && text(q.Reason, e.Reason) && text(q.Actor, e.Actor) && text(q.Object, e.Object) &&
		(q.AfterSeq == 0 || e.Seq > q.AfterSeq) && (q.BeforeSeq == 0 || e.Seq < q.BeforeSeq) &&
		(q.Since.IsZero() || !e.At.Before(q.Since)) && (q.Until.IsZero() || e.At.Before(q.Until)) &&
		q.matchesKind(e.Kind) && q.MatchesClient(e) && sameAddress(q.From, e.Data["from"]) && sameAddress(q.To, e.Data["to"])
}

func (q *Query) matchesKind(k Kind) bool {
	if q.Kind == "" || q.Kind == k {
		return true
	}
	for _, one := range q.Kinds() {
		if one == k {
			return true
		}
	}
	return false
}

// MatchesClient reports whether q's Client selects e.
func (q *Query) MatchesClient(e *Event) bool {
	if !q.Client.IsValid() {
		return true
	}
	client, err := netip.ParseAddr(e.Client)
	return err == nil && q.Client.Contains(client)
}

// sameAddress reports whether text is the address wanted, or none is.
func sameAddress(wanted mail.Address, text string) bool {
	return wanted.IsNull() || FoldedText(wanted) == foldASCII(text)
}

// FoldedText returns an address as Data has it, with ASCII letters in lower
// case: what From and To are compared by.
func FoldedText(a mail.Address) string { return foldASCII(a.String()) }

// foldASCII puts the letters of ASCII in lower case, and no others.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

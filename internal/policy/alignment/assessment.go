package alignment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/internal/dkim"
	"countersign/internal/policy/dmarc"
)

// Verdict is how a message, or one of the two ways to pass, will fare.
type Verdict string

// The verdicts.
const (
	// Pass: receivers will find it aligned.
	Pass Verdict = "pass"
	// WillFail: they will not.
	WillFail Verdict = "will-fail"
	// Unknown: that is not known.
	Unknown Verdict = "unknown"
)

// Leg is one of the two ways to pass DMARC: DKIM and SPF.
type Leg struct {
	State Verdict
	// Reasons say what is wrong with it, also where it passes all the same.
	Reasons []string
}

// Bounds on what an assessment holds, as it is kept in memory: some 8 KiB for one in
// which everything is wrong.
const (
	maxReasons = 8
	maxReason  = 256
	maxPublish = 6
	maxValue   = 1024
)

// Assessment is what a Judge has found. It is not changed after it is made.
type Assessment struct {
	Question Question
	// Verdict is Pass where either way passes, and WillFail where both fail. It says
	// nothing of what receivers then do: that is Policy.
	Verdict   Verdict
	DKIM, SPF Leg
	// Policy is what the From domain asks receivers to do with mail that fails;
	// dmarc.Nothing where it has no policy, or none that is known.
	Policy dmarc.Policy
	// PolicyUnknown says that DNS does not answer for the policy.
	PolicyUnknown bool
	// Notes are remarks that do not decide.
	Notes []string
	// Publish are the DNS records that mend what is wrong, the more important first.
	Publish []dkim.Record
	// TTL is how long DNS says that all this holds.
	TTL time.Duration
}

// Refusable reports whether receivers are asked to turn the message away, so that
// refusing it here tells the sender what would otherwise be a bounce, or silence.
func (a Assessment) Refusable() bool {
	return a.Verdict == WillFail && (a.Policy == dmarc.Quarantine || a.Policy == dmarc.Reject)
}

// Reason says in one line why a message does not pass, "" where it does.
func (a Assessment) Reason() string {
	if a.Verdict == Pass {
		return ""
	}
	var parts []string
	for name, leg := range map[string]Leg{"DKIM": a.DKIM, "SPF": a.SPF} {
		if leg.State != Pass && len(leg.Reasons) > 0 {
			parts = append(parts, name+": "+leg.Reasons[0])
		}
	}
	slices.Sort(parts) // DKIM first
	return strings.Join(parts, "; ")
}

// verdict puts the two ways together: one that passes is enough (RFC 9989 section 4.1).
func verdict(dkim, spf Verdict) Verdict {
	switch {
	case dkim == Pass || spf == Pass:
		return Pass
	case dkim == WillFail && spf == WillFail:
		return WillFail
	}
	return Unknown
}

// worse is the verdict of two that both count: one failure is a failure.
func worse(a, b Verdict) Verdict {
	for _, v := range []Verdict{WillFail, Unknown} {
		if a == v || b == v {
			return v
		}
	}
	return Pass
}

// worsen notes that one of several things that all count is not a pass.
func (l *Leg) worsen(to Verdict, format string, args ...any) {
	l.State = worse(l.State, to)
	l.reason(format, args...)
}

// reason adds a reason, each once.
func (l *Leg) reason(format string, args ...any) {
	text := short(fmt.Sprintf(format, args...))
	if len(l.Reasons) < maxReasons && !slices.Contains(l.Reasons, text) {
		l.Reasons = append(l.Reasons, text)
	}
}

// publish adds a record to publish, unless it is too long to keep; then it is only said
// in words what is wrong.
func (a *Assessment) publish(r dkim.Record) {
	if len(a.Publish) < maxPublish && len(r.Value) <= maxValue {
		a.Publish = append(a.Publish, r)
	}
}

// short cuts a text that strangers had a part in, and leaves out what is not visible.
func short(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxReason {
		return text[:maxReason-3] + "..."
	}
	return text
}

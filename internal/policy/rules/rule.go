package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stage is a moment of a session at which rules are asked.
type Stage string

// The stages, in the order in which a session comes to them. There is none at AUTH: an answer of
// its own after a right password would tell whoever guesses that it was right.
const (
	// Connect: a client has connected, and was not greeted yet.
	Connect Stage = "connect"
	// Mail: MAIL, by somebody who has logged in.
	Mail Stage = "mail"
	// Recipient: RCPT, for each recipient by itself.
	Recipient Stage = "rcpt"
	// Data: the whole message is there.
	Data Stage = "data"
)

// Stages lists the stages in their order.
func Stages() []Stage { return []Stage{Connect, Mail, Recipient, Data} }

// Verdict is what a rule says of what it matches.
type Verdict string

// The verdicts. Hold and Slow are for Data alone.
const (
	// Allow: the rules of this stage that follow are not asked.
	Allow Verdict = "allow"
	// Refuse: for good.
	Refuse Verdict = "refuse"
	// Defer: for now; the client tries again.
	Defer Verdict = "defer"
	// Hold: accepted, and held until somebody releases it.
	Hold Verdict = "hold"
	// Slow: accepted, and first tried after Spec.Delay.
	Slow Verdict = "slow"
)

// Verdicts lists the verdicts.
func Verdicts() []Verdict { return []Verdict{Allow, Refuse, Defer, Hold, Slow} }

// Failure is what follows where a rule cannot be evaluated.
type Failure string

// What follows where a rule cannot be evaluated.
const (
	// Skip: as if the rule had not matched; the next one is asked.
	Skip Failure = "skip"
	// DeferOnError: the client tries again.
	DeferOnError Failure = "defer"
)

// MaxDelay is how long Slow lets a message wait at most, as limits do.
const MaxDelay = 24 * time.Hour

// Bounds of what a rule says.
const (
	// MaxRules is how many rules there may be.
	MaxRules = 200
	// MaxName and MaxBecause are the octets of a name and a reason: with both, a reply
	// shows them whole.
	MaxName    = 32
	MaxBecause = 150
	// MaxExpression is the characters of an expression.
	MaxExpression = 4096
)

// Spec is a rule as the operator has written it.
type Spec struct {
	// Name tells it from the others: lower-case letters, digits and "-".
	Name string
	// At is when it is asked.
	At Stage
	// When is the expression; it is true where the rule matches.
	When string
	// Verdict is what follows then.
	Verdict Verdict
	// Because is what the customer reads, printable ASCII without a full stop at the end.
	Because string
	// Shadow says that what would follow is said, and does not follow.
	Shadow bool
	// OnError says what follows where it cannot be evaluated; "" is DeferOnError for
	// Refuse, Defer and Hold, and Skip for the others.
	OnError Failure
	// Delay is how long Slow lets a message wait, above 0 and at most MaxDelay.
	Delay time.Duration
}

// onError is OnError with its default. What is in shadow stops nothing.
func (s *Spec) onError() Failure {
	switch {
	case s.Shadow:
		return Skip
	case s.OnError != "":
		return s.OnError
	case s.Verdict == Allow || s.Verdict == Slow:
		return Skip
	}
	return DeferOnError
}

// stops reports whether mail does not pass where the rule matches.
func (s *Spec) stops() bool { return s.Verdict == Refuse || s.Verdict == Defer }

// Mistake is what is wrong with a rule.
type Mistake struct {
	// Rule is the index of the rule among the specs.
	Rule int
	// Field is what of it: "name", "at", "when", "verdict", "because", "on_error", "delay"; ""
	// for the rule as a whole.
	Field string
	// Row and Column are where in When, both from 1, in characters; 0 where it is not in
	// one place.
	Row, Column int
	Text        string
	// Suggestion says what to do; may be "".
	Suggestion string
	// Warning says that the rule can be used all the same.
	Warning bool
}

// check finds what is wrong with a rule apart from its expression.
func (s *Spec) check(i int, earlier []Spec) (found []Mistake) {
	wrong := func(field, suggestion, format string, args ...any) {
		found = append(found, Mistake{Rule: i, Field: field, Text: fmt.Sprintf(format, args...), Suggestion: suggestion})
	}
	if !isName(s.Name) {
		wrong("name", `for example "no-archives"`, "%q is not a name: 1 to %d lower-case letters, digits and \"-\"", s.Name, MaxName)
	} else if at := slices.IndexFunc(earlier, func(e Spec) bool { return e.Name == s.Name }); at >= 0 {
		wrong("name", "give it another name", "there is a rule %q already", s.Name)
	}
	if !slices.Contains(Stages(), s.At) {
		wrong("at", "", "%q is not known", s.At)
	}
	switch {
	case !slices.Contains(Verdicts(), s.Verdict):
		wrong("verdict", "", "%q is not known", s.Verdict)
	case (s.Verdict == Hold || s.Verdict == Slow) && s.At != Data:
		wrong("verdict", `set at = "data"`, "%q is for a whole message", s.Verdict)
	}
	if (s.Delay <= 0 || s.Delay > MaxDelay) && s.Verdict == Slow {
		wrong("delay", "", "%v is not between 1s and 24h", s.Delay)
	}
	switch strange := strings.IndexFunc(s.Because, func(r rune) bool { return r < ' ' || r > '~' }); {
	case strange >= 0:
		wrong("because", "write it in ASCII", "clients may not show %q, as a reply is ASCII", []rune(s.Because[strange:])[0])
	case len(s.Because) > MaxBecause:
		wrong("because", "", "is longer than %d characters", MaxBecause)
	case strings.TrimSpace(s.Because) == "" && s.stops():
		wrong("because", "say why in a sentence for the customer", "must not be empty")
	}
	if s.OnError != "" && s.OnError != Skip && s.OnError != DeferOnError {
		wrong("on_error", "", "%q is not known", s.OnError)
	}
	return found
}

// isName reports whether a text may be the name of a rule.
func isName(text string) bool {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return text != "" && len(text) <= MaxName && !strings.ContainsFunc(text, other)
}

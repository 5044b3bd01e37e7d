package spf

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	library "blitiri.com.ar/go/spf"

	"countersign/internal/policy/inquiry"
)

// Result is what RFC 7208 section 2.6 calls the result of an evaluation.
type Result string

// The results.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// Query is one question of a receiver.
type Query struct {
	// Client is the address that the mail comes from.
	Client netip.Addr
	// Hello is the name that the client gives of itself.
	Hello string
	// Sender is MAIL FROM, "" for the null one.
	Sender string
}

// Outcome is what a receiver would find.
type Outcome struct {
	Result Result
	// Record is the SPF record of the domain itself, "" where it has none that can be
	// read.
	Record string
	// Reason says in words why the result is not Pass, for the domain's owner.
	Reason string
	// Unsure says that a record asks for the local part of the sender, so that other
	// senders of the domain may have another result, or for what is not followed here.
	Unsure bool
}

// Evaluate is check_host of RFC 7208 section 4. It never fails: what cannot be known is
// TempError. Its questions are bounded by q beside the limits of section 4.6.4.
func Evaluate(ctx context.Context, q *inquiry.Inquiry, query Query) Outcome {
	return evaluate(ctx, &resolver{inquiry: q}, query)
}

// EvaluateTerm is Evaluate as if the sender's domain had a record of the one term, which
// CheckTerm has passed; the domain itself is not asked for.
func EvaluateTerm(ctx context.Context, q *inquiry.Inquiry, query Query, term string) Outcome {
	return evaluate(ctx, &resolver{inquiry: q, given: "v=spf1 " + term + " -all"}, query)
}

// Read says what holds of a domain's record for mail from anywhere: None and PermError
// where none can pass, as there is no record, or several, or one that is void; TempError where that
// cannot be known; else Neutral, as it depends on the address.
func Read(ctx context.Context, q *inquiry.Inquiry, domain string) Outcome {
	r := &resolver{inquiry: q}
	records, err := r.LookupTXT(ctx, domain)
	out := Outcome{Result: Neutral, Record: r.own}
	switch {
	case r.broken != "":
		out.Result, out.Reason = PermError, r.broken
	case err == nil && len(records) == 0 || isMissing(err):
		out.Result, out.Reason = None, reason(None, netip.Addr{}, nil)
	case err != nil:
		out.Result, out.Reason = TempError, "DNS does not answer for the SPF record"
	}
	return out
}

// evaluate is Evaluate by a resolver that is of no other evaluation.
func evaluate(ctx context.Context, r *resolver, query Query) Outcome {
	client := query.Client.Unmap().WithZone("")
	r.client = client
	result, err := library.CheckHostWithSender(client.AsSlice(), query.Hello, identity(query),
		library.WithContext(ctx), library.WithResolver(r))
	out := Outcome{Result: Result(result), Record: r.own, Unsure: r.unsure}
	out.Reason = reason(out.Result, client, err)
	switch {
	case out.Result == PermError && r.broken != "":
		out.Reason = r.broken
	case out.Result == PermError && r.hollow != "" && errors.Is(err, library.ErrNoResult):
		out.Reason = "the SPF record includes " + r.hollow + ", which has none"
	}
	return out
}

// identity is the sender that is checked: postmaster of the client's name where MAIL
// FROM is empty (RFC 7208 section 2.4), and postmaster where it has no local part (section 4.3).
func identity(q Query) string {
	switch {
	case q.Sender == "":
		return "postmaster@" + q.Hello
	case !strings.Contains(q.Sender, "@"):
		return "postmaster@" + q.Sender
	case strings.HasPrefix(q.Sender, "@"):
		return "postmaster" + q.Sender
	}
	return q.Sender
}

// reason says why a result is not a pass.
func reason(result Result, client netip.Addr, err error) string {
	switch result {
	case None:
		return "there is no SPF record"
	case Neutral:
		return "the SPF record says nothing of " + client.String()
	case Fail, SoftFail:
		return "the SPF record does not allow " + client.String()
	case TempError:
		return "DNS does not answer what the SPF record asks for"
	case PermError:
		switch {
		case errors.Is(err, library.ErrLookupLimitReached):
			return "the SPF record needs more than the 10 look-ups that are allowed"
		case errors.Is(err, library.ErrVoidLookupLimitReached):
			return "the SPF record names more than 2 hosts that do not exist"
		case errors.Is(err, library.ErrTooManyMXRecords):
			return "the SPF record asks for the MX of a domain that has more than 10"
		case errors.Is(err, library.ErrNoResult):
			return "the SPF record includes a domain that has none"
		}
		return "the SPF record cannot be evaluated"
	}
	return ""
}

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
	client := query.Client.Unmap().WithZone("")
	r := &resolver{inquiry: q, client: client}
	result, err := library.CheckHostWithSender(client.AsSlice(), query.Hello, identity(query),
		library.WithContext(ctx), library.WithResolver(r))
	out := Outcome{Result: Result(result), Record: r.own, Unsure: r.unsure}
	out.Reason = reason(out.Result, client, err)
	if out.Result == PermError && r.broken != "" {
		out.Reason = r.broken
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

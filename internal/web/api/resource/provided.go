package resource

import (
	"cmp"
	"slices"
	"strings"

	"countersign/internal/access"
	"countersign/internal/access/list"
	"countersign/internal/access/list/answer"
	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/web/api/reseller"
)

// byProvider is the reason of a Verdict that a client with customers is not told, accepted a verdict.
const (
	byProvider = "provider"
	accepted   = "accept"
)

// ownReasons are why a message is refused by what it is itself, or its sender is: a client with
// customers is told of these. What is not among them is the provider's.
func ownReasons() []smtp.Reason {
	return []smtp.Reason{
		smtp.ESenderNotOwned, smtp.EHeaderSenderNotOwned, smtp.ESenderMissing, smtp.ENullSenderNotAllowed, smtp.ESenderBadAddress, smtp.ERecipientBadAddress,
		smtp.ESMTPUTF8Required, smtp.ETooManyRecipients, smtp.EAccountSuspended, smtp.EAccountChanged, smtp.EAccountChangedNow, smtp.EMessageTooLarge, smtp.ESizeExceeded,
		smtp.ERecipientDomainNoMail, smtp.ERecipientDomainNotFound, smtp.EConnectionLimitLogin, smtp.EUnaligned, smtp.EAuthMechanismUnknown, smtp.ELineTooLong,
		smtp.EHeaderFromMissing, smtp.EHeaderFromMultiple, smtp.EHeaderMalformed, smtp.EHeaderTooLarge, smtp.EHeader8Bit, smtp.EHeaderControl, smtp.EHeaderRepeated,
		smtp.EHeaderName, smtp.EHeaderHiddenLine, smtp.EContentAmbiguous, smtp.EDataLineTooLong, smtp.EDataBareCR, smtp.EDataBareLF, smtp.EDataNUL, smtp.ELoopDetected,
	}
}

// limitReasons are those of limits, which are of the sender or of others.
func limitReasons() []smtp.Reason {
	return []smtp.Reason{
		smtp.ELimitReached, smtp.ELimitRefused, smtp.ELimitRecipients, smtp.ELimitRecipientsRefused, smtp.ELimitSize, smtp.ELimitConnection,
	}
}

// conceal takes out of a verdict what does not concern the customers of the client: what is set for
// everybody, for networks and for gates, rules and content filters of the provider, and what the guard
// makes of clients. Of such a thing it leaves that the provider refuses, or holds. Events are left out,
// as they tell of others' limits and of rules, and so are the names of content filters.
func (e explanations) conceal(s *reseller.Scope, v *Verdict) error {
	own := true
	for i := range v.Events {
		ok, err := e.concerns(s, &v.Events[i])
		if err != nil {
			return err
		}
		own = own && ok
	}
	switch v.Verdict {
	case "hold":
		own = v.Reason == queue.HoldAlignment || v.Reason == queue.HoldLimit && own
	case "slow":
	case "refuse", "defer":
		own = own && v.Reason != ""
	}
	v.Events, v.Unasked = nil, []string{}
	if own {
		return nil
	}
	if v.Verdict != accepted { // else some of its recipients are refused, which the steps say
		v.Reason, v.Until = byProvider, nil
	}
	for i := range v.Steps {
		if at := &v.Steps[i]; at.Code >= 400 || at.Code == 0 {
			at.Code, at.Answer = 0, answer.Provider
		}
	}
	return nil
}

// concerns reports whether an event that refuses, holds or slows does so for what is the client's, or for
// what is about the message; any other event does not matter.
func (e explanations) concerns(s *reseller.Scope, event *Event) (bool, error) {
	switch audit.Kind(event.Kind) {
	case audit.LimitHeld, audit.LimitSlowed:
		return ofCustomer(event), nil
	case audit.RuleSlowed:
		return false, nil
	case audit.CommandRefused, audit.ConnectionRefused, audit.AuthFailed:
	default:
		return true, nil
	}
	reason := smtp.Reason(event.Reason)
	if slices.Contains(ownReasons(), reason) {
		return true, nil
	}
	if slices.Contains(limitReasons(), reason) {
		return ofCustomer(event), nil
	}
	if id := mail.ID(event.Data["ban"]); id != "" {
		found, err := e.Store.Bans(s.Request.Ctx, access.Query{ID: id, Page: s.Own()})
		return len(found) > 0, err
	}
	if id := mail.ID(event.Data["entry"]); id != "" {
		found, err := e.Store.Entries(s.Request.Ctx, list.Query{ID: id, Page: s.Own()})
		return len(found) > 0, err
	}
	return false, nil
}

// ofCustomer reports whether the limit of an event is of a customer, or of what a customer has, and not of
// what several share. An account's share of a limit is of whom that limit is.
func ofCustomer(event *Event) bool {
	word, _, _ := strings.Cut(cmp.Or(event.Data[limit.DataOf], event.Data[limit.DataSubject]), " ")
	kind, err := limit.ParseKind(word)
	return err == nil && kind <= limit.Customer
}

package milter

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/d--j/go-milter"

	"countersign/internal/filter"
)

// answer puts what the program said into words.
func (c *conversation) answer(action *milter.Action, changes []milter.ModifyAction) (*filter.Answer, error) {
	if c.wire.discarded {
		return &filter.Answer{Verdict: filter.Discard}, nil
	}
	a := &filter.Answer{}
	switch action.Type {
	case milter.ActionAccept, milter.ActionContinue:
		a.Verdict = filter.Pass
		c.changes(a, changes)
	case milter.ActionReject:
		a.Verdict = filter.Refuse
	case milter.ActionTempFail:
		a.Verdict = filter.Defer
	case milter.ActionRejectWithCode:
		a.Verdict, a.Reply = filter.Refuse, parseReply(action.SMTPReply)
		if action.SMTPCode < 500 {
			a.Verdict = filter.Defer
		}
	default:
		return nil, fmt.Errorf("%w: it ends with action %d", errNonsense, action.Type)
	}
	return a, nil
}

// changes adds what the program wants changed.
func (c *conversation) changes(a *filter.Answer, list []milter.ModifyAction) {
	to := &a.Changes
	for i := range list {
		m := &list[i]
		switch m.Type {
		case milter.ActionAddHeader:
			to.Header = append(to.Header, c.field(filter.Add, m))
		case milter.ActionInsertHeader:
			to.Header = append(to.Header, c.field(filter.Insert, m))
		case milter.ActionChangeHeader:
			to.Header = append(to.Header, c.field(filter.Change, m))
		case milter.ActionAddRcpt:
			to.Added = append(to.Added, m.Rcpt)
			to.Parameters = to.Parameters || m.RcptArgs != ""
		case milter.ActionDelRcpt:
			to.Removed = append(to.Removed, m.Rcpt)
		case milter.ActionChangeFrom:
			from := m.From
			to.Sender = &from
			to.Parameters = to.Parameters || m.FromArgs != ""
		case milter.ActionQuarantine:
			a.Quarantined, a.Because = true, m.Reason
		}
	}
	to.ReplacesBody, to.Body = c.wire.replaced, c.wire.body.Bytes()
}

// field makes a change of the header. Without SMFIP_HDR_LEADSPC the space behind the colon is
// the server's to write.
func (c *conversation) field(act filter.HeaderAct, m *milter.ModifyAction) filter.HeaderChange {
	value := m.HeaderValue
	if value != "" && !c.session.ProtocolOption(milter.OptHeaderLeadingSpace) {
		value = " " + value
	}
	return filter.HeaderChange{Act: act, At: int(min(m.HeaderIndex, maxIndex)), Name: m.HeaderName, Value: value}
}

// maxIndex is a place that no header has.
const maxIndex = 1 << 20

// parseReply reads a reply as the protocol has it: lines of "554 5.7.1 text" or "554-5.7.1
// text", in which "%" stands twice. What is missing stays empty.
func parseReply(raw string) (r filter.Reply) {
	var words []string
	for line := range strings.Lines(raw) {
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			continue
		}
		if code, err := strconv.Atoi(line[:3]); err == nil && r.Code == 0 {
			r.Code = code
		}
		line = strings.TrimSpace(strings.TrimLeft(line[3:], "- "))
		enhanced, rest, _ := strings.Cut(line, " ")
		if isEnhanced(enhanced) {
			line = rest
			if r.Enhanced == "" {
				r.Enhanced = enhanced
			}
		}
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, strings.ReplaceAll(line, "%%", "%"))
		}
	}
	r.Text = strings.Join(words, " ")
	return r
}

// isEnhanced reports whether s is an enhanced status code of a failure (RFC 3463 section 2).
func isEnhanced(s string) bool {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, found := strings.Cut(rest, ".")
	if !found || class != "4" && class != "5" {
		return false
	}
	for _, part := range []string{subject, detail} {
		if n, err := strconv.Atoi(part); err != nil || n < 0 || n > 999 || strconv.Itoa(n) != part {
			return false
		}
	}
	return true
}

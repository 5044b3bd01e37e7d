package filtering

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/internal/filter"
	"countersign/internal/smtp"
)

// replyCodes are those that may answer a message (RFC 5321 section 4.3.2); others, such as
// 421, which would end the session, are not a filter's to give.
func replyCodes() []int { return []int{450, 451, 452, 550, 552, 554} }

// replyOf is what the client is told: the text of the catalogue with that of the filter in it,
// under the filter's codes as far as they fit.
func replyOf(reason smtp.Reason, said filter.Reply) smtp.Reply {
	reply := smtp.Refusal(reason, clean(said.Text))
	class := reply.Code / 100
	if said.Code/100 == class && slices.Contains(replyCodes(), said.Code) {
		reply.Code = said.Code
	}
	var e smtp.EnhancedCode
	// RFC 3463 section 2: the class is that of the reply.
	n, err := fmt.Sscanf(said.Enhanced, "%d.%d.%d", &e[0], &e[1], &e[2])
	if err == nil && n == 3 && e[0] == class && e[1] <= 999 && e[2] <= 999 {
		reply.Enhanced = e
	}
	return reply
}

// maxText bounds what is told of a filter's words, in octets.
const maxText = 160

// clean makes words of a filter fit for a reply and the record: printable, in one line, bounded.
func clean(s string) string {
	cut := s[:min(len(s), 4*maxText)]
	cut = strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, cut)
	cut = strings.Join(strings.Fields(cut), " ")
	if len(cut) <= maxText {
		return cut
	}
	end := maxText - 3
	for !utf8.RuneStart(cut[end]) {
		end--
	}
	return cut[:end] + "..."
}

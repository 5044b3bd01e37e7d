package invented

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Examples returns texts that a pattern matches, with as little of what may be left out as there can be, and
// with some of it; none where none is found.
func Examples(pattern string) (all []string) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	program, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	for more := range 3 {
		var text strings.Builder
		example(&text, parsed.Simplify(), more)
		if s := text.String(); s != "" && len(s) <= MaxText && utf8.ValidString(s) && program.MatchString(s) {
			all = append(all, s)
		}
	}
	if len(all) == 0 && program.MatchString("") {
		all = append(all, "")
	}
	return all
}

// example writes a text that a pattern matches, apart from its boundaries, each repetition so many times more
// than it has to be, and of alternatives the one of that number.
func example(to *strings.Builder, re *syntax.Regexp, more int) {
	if to.Len() > MaxText {
		return // it would be too long
	}
	times := 0
	switch re.Op {
	case syntax.OpLiteral:
		to.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if n := len(re.Rune) / 2; n > 0 {
			to.WriteRune(re.Rune[2*((n-1)*more/2)])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		to.WriteByte('a')
	case syntax.OpAlternate:
		example(to, re.Sub[(len(re.Sub)-1)*more/2], more)
	case syntax.OpStar, syntax.OpQuest:
		times = min(more, 1)
		if re.Op == syntax.OpStar {
			times = more
		}
	case syntax.OpPlus:
		times = 1 + more
	case syntax.OpConcat, syntax.OpCapture:
		times = 1
	}
	for range times {
		had := to.Len()
		for _, sub := range re.Sub {
			example(to, sub, more)
		}
		if to.Len() == had {
			return // once more has no more, and nested it would be without an end
		}
	}
}

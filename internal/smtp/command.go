package smtp

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Command is a command line taken apart (RFC 5321 section 4.1.1).
type Command struct {
	// Verb is the word in front, in upper case: letters only.
	Verb string
	// Args is what follows the one space after the verb, "" for nothing. It is
	// valid UTF-8 without control characters.
	Args string
}

// Limits in octets or digits.
const (
	// maxHello is the longest argument of EHLO (RFC 5321 section 4.5.3.1.2).
	maxHello = 255
	// maxDigits is the longest number in a command (RFC 1870 section 5).
	maxDigits = 20
	// maxMechanism is the longest name of a mechanism (RFC 4422 section 3.1).
	maxMechanism = 20
)

// ParseCommand reads a line as ReadLine returns it. The verb is the letters up
// to a space or the end, so that "STARTTLSX" is a verb of its own, which
// nobody knows. Spaces at the end are dropped (RFC 5321 section 4.1.1 asks for it); other
// control characters, TAB included, and octets that are not UTF-8 are
// refused. Errors are a Reply.
func ParseCommand(line []byte) (Command, error) {
	s := string(line)
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return Command{}, Refusal(ECommandMalformed, "it holds a control character")
		}
	}
	if !utf8.ValidString(s) {
		return Command{}, Refusal(ECommandMalformed, "it is not UTF-8")
	}
	verb, args, _ := strings.Cut(strings.TrimRight(s, " "), " ")
	if verb == "" {
		return Command{}, Refusal(ECommandMalformed, "it begins with no command word")
	}
	for i := 0; i < len(verb); i++ {
		if !isLetter(verb[i]) {
			return Command{}, Refusal(EUnknownCommand, "")
		}
	}
	return Command{Verb: strings.ToUpper(verb), Args: args}, nil
}

// ParseHello reads the argument of EHLO or HELO and returns it as it is. RFC
// 5321 section 4.1.1.1 wants a domain or an address literal; mail programs
// send what the machine is called, so that underscores, an address without
// brackets and any literal are let through. The value proves nothing, is used for the record
// only (section 4.1.4 forbids refusing mail over it), and holds no character
// that could be taken for something else. Errors are a Reply.
func ParseHello(args string) (string, error) {
	if args == "" {
		return "", Refusal(EBadParameter, "the name of the client is missing")
	}
	if len(args) > maxHello {
		return "", Refusal(EBadParameter, "the name of the client is too long")
	}
	name := args
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
		name = name[1 : len(name)-1]
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("-._:%", c) < 0 {
			return "", Refusal(EBadParameter, "the name of the client is neither a domain nor an address")
		}
	}
	if name == "" {
		return "", Refusal(EBadParameter, "the name of the client is missing")
	}
	return args, nil
}

// ParseBdat reads the argument of BDAT (RFC 3030 section 2): the octets of the
// chunk and whether it is the last. After an error nobody knows where the chunk on the
// wire ends, so the session must end. Errors are a Reply.
func ParseBdat(args string) (n int64, last bool, err error) {
	size, rest, more := strings.Cut(args, " ")
	if more {
		if !strings.EqualFold(rest, "LAST") {
			return 0, false, Refusal(ESyntax, "expected BDAT size or BDAT size LAST")
		}
		last = true
	}
	n, valid := parseDigits(size)
	if !valid || n == math.MaxInt64 {
		return 0, false, Refusal(ESyntax, "the size is not a number that can be used")
	}
	return n, last, nil
}

// ParseAuth reads the argument of AUTH (RFC 4954 section 4): the mechanism in
// upper case, and the initial response decoded, where there is one; "=" is an
// empty one. Errors are a Reply and hold nothing of the response.
func ParseAuth(args string) (mechanism string, initial []byte, hasInitial bool, err error) {
	mechanism, rest, hasInitial := strings.Cut(args, " ")
	mechanism = strings.ToUpper(mechanism)
	if mechanism == "" || len(mechanism) > maxMechanism {
		return "", nil, false, Refusal(ESyntax, "expected the name of a login method")
	}
	for i := 0; i < len(mechanism); i++ { // RFC 4422 section 3.1
		if c := mechanism[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return "", nil, false, Refusal(ESyntax, "expected the name of a login method")
		}
	}
	if !hasInitial {
		return mechanism, nil, false, nil
	}
	if rest == "=" {
		return mechanism, []byte{}, true, nil
	}
	if rest == "" {
		return "", nil, false, Refusal(EAuthMalformed, "")
	}
	initial, err = decodeBase64([]byte(rest))
	if err != nil {
		return "", nil, false, err
	}
	return mechanism, initial, true, nil
}

// ParseAuthResponse reads a line that answers a challenge (RFC 4954 section
// 4): base64, empty for an empty response, or "*", which cancels and is returned as
// the reply EAuthCancelled. "=", which is right for an initial response alone, is an
// empty one too, as curl sends it for EXTERNAL. Errors are a Reply and hold nothing of the response.
func ParseAuthResponse(line []byte) ([]byte, error) {
	if string(line) == "*" {
		return nil, Refusal(EAuthCancelled, "")
	}
	if string(line) == "=" {
		return []byte{}, nil
	}
	return decodeBase64(line)
}

// decodeBase64 decodes strictly: padded, no stray bits, nothing in between.
func decodeBase64(b []byte) ([]byte, error) {
	for _, c := range b {
		if c == '\r' || c == '\n' { // the decoder would pass over them
			return nil, Refusal(EAuthMalformed, "it is not base64")
		}
	}
	encoding := base64.StdEncoding.Strict()
	out := make([]byte, encoding.DecodedLen(len(b)))
	n, err := encoding.Decode(out, b)
	if err != nil {
		return nil, Refusal(EAuthMalformed, "it is not base64")
	}
	return out[:n], nil
}

// parseDigits reads 1 to 20 digits. A number beyond int64 becomes the largest
// int64, which is over any limit.
func parseDigits(s string) (n int64, valid bool) {
	if s == "" || len(s) > maxDigits {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

package smtp

import (
	"errors"
	"strings"

	"countersign/internal/mail"
)

// maxPath is the longest path with its angle brackets in octets (RFC 5321
// section 4.5.3.1.3).
const maxPath = 256

// Extensions says what has been offered to this client; a parameter of an
// extension that was not offered is an unknown parameter.
type Extensions struct {
	// Size is SIZE (RFC 1870).
	Size bool
	// EightBitMIME is 8BITMIME (RFC 6152): BODY.
	EightBitMIME bool
	// SMTPUTF8 is SMTPUTF8 (RFC 6531).
	SMTPUTF8 bool
	// DSN is DSN (RFC 3461): RET, ENVID, NOTIFY and ORCPT.
	DSN bool
	// Auth is AUTH (RFC 4954): the AUTH parameter of MAIL.
	Auth bool
}

// ParseMail reads the argument of MAIL (RFC 5321 section 4.1.1.2):
// "FROM:<reverse-path>" and parameters. The null reverse-path gives the null
// Address. Errors are a Reply.
func ParseMail(args string, ext Extensions) (mail.Envelope, error) {
	path, rest, err := cutPath(args, "FROM:")
	if err != nil {
		return mail.Envelope{}, err
	}
	params, err := splitParams(rest)
	if err != nil {
		return mail.Envelope{}, err
	}
	env := mail.Envelope{Body: mail.Body7Bit}
	for _, p := range params {
		if err := setMailParam(&env, p, ext); err != nil {
			return mail.Envelope{}, err
		}
	}
	if path == "" {
		return env, nil
	}
	env.From, err = parsePath(path, env.SMTPUTF8, ESenderBadAddress)
	if err != nil {
		return mail.Envelope{}, err
	}
	return env, nil
}

// ParseRcpt reads the argument of RCPT (RFC 5321 section 4.1.1.3):
// "TO:<forward-path>" and parameters. utf8 says that the transaction's MAIL had SMTPUTF8.
// "<Postmaster>" without a domain is refused: a gate has no mailboxes of its
// own. Errors are a Reply.
func ParseRcpt(args string, ext Extensions, utf8 bool) (mail.Recipient, error) {
	path, rest, err := cutPath(args, "TO:")
	if err != nil {
		return mail.Recipient{}, err
	}
	params, err := splitParams(rest)
	if err != nil {
		return mail.Recipient{}, err
	}
	var rcpt mail.Recipient
	for _, p := range params {
		if err := setRcptParam(&rcpt, p, ext, utf8); err != nil {
			return mail.Recipient{}, err
		}
	}
	if path == "" {
		return mail.Recipient{}, Refusal(ERecipientBadAddress, "it is empty")
	}
	rcpt.To, err = parsePath(path, utf8, ERecipientBadAddress)
	if err != nil {
		return mail.Recipient{}, err
	}
	return rcpt, nil
}

// cutPath takes the keyword and the path off the front of args. path is
// without its brackets; rest is "" or begins with a space. One space after the colon is let
// through, as widespread programs send it; RFC 5321 section 3.3 forbids it.
func cutPath(args, keyword string) (path, rest string, err error) {
	expected := Refusal(ESyntax, "expected "+keyword+"<address>")
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return "", "", expected
	}
	s := strings.TrimPrefix(args[len(keyword):], " ")
	if s == "" || s[0] != '<' {
		return "", "", expected
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			path, rest = s[1:i], s[i+1:]
			if rest != "" && rest[0] != ' ' {
				return "", "", expected
			}
			return path, rest, nil
		}
	}
	return "", "", expected
}

// parsePath reads a path that is not empty, without its brackets; bad is the
// reason to refuse it with. A source route is read and dropped, as RFC 5321
// section 4.1.2 asks.
func parsePath(path string, utf8 bool, bad Reason) (mail.Address, error) {
	if len(path)+len("<>") > maxPath {
		return mail.Address{}, Refusal(bad, "it is longer than 254 octets")
	}
	if !utf8 && !isASCII(path) {
		return mail.Address{}, Refusal(ESMTPUTF8Required, "") // RFC 6531 section 3.5
	}
	mailbox, err := dropRoute(path)
	if err != nil {
		return mail.Address{}, Refusal(bad, "its source route cannot be read")
	}
	addr, err := mail.ParseAddress(mailbox)
	if err != nil {
		return mail.Address{}, Refusal(bad, strings.TrimPrefix(err.Error(), mail.ErrAddress.Error()+": "))
	}
	if len(addr.String())+len("<>") > maxPath { // a domain beyond ASCII grows as A-labels
		return mail.Address{}, Refusal(bad, "it is longer than 254 octets in its ASCII form")
	}
	return addr, nil
}

// errRoute is a source route that is none.
var errRoute = errors.New("smtp: bad source route")

// dropRoute takes "@a,@b:" off the front of a path (A-d-l of RFC 5321 section
// 4.1.2).
func dropRoute(path string) (mailbox string, err error) {
	if path[0] != '@' {
		return path, nil
	}
	for rest := path; strings.HasPrefix(rest, "@"); {
		domain := rest[1:]
		end := strings.IndexAny(domain, ",:")
		if strings.HasPrefix(domain, "[") { // a literal may hold colons
			if end = strings.IndexByte(domain, ']'); end >= 0 {
				end++
			}
		}
		if end < 0 || end >= len(domain) {
			break
		}
		if _, err := mail.ParseDomain(domain[:end]); err != nil {
			break
		}
		switch domain[end] {
		case ':':
			return domain[end+1:], nil
		case ',':
			rest = domain[end+1:]
		default:
			return "", errRoute
		}
	}
	return "", errRoute
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

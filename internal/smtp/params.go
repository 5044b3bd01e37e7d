package smtp

import (
	"strings"

	"countersign/internal/mail"
	"countersign/internal/smtp/xtext"
)

// Length limits of parameters in octets.
const (
	// maxEnvID is the xtext of ENVID (RFC 3461 section 4.4).
	maxEnvID = 100
	// maxOrcpt is ORCPT with its keyword (RFC 3461 section 4).
	maxOrcpt = 500
)

// param is one esmtp-param (RFC 5321 section 4.1.2).
type param struct {
	// keyword is in upper case.
	keyword string
	value   string
	// hasValue tells "KEY=" (never accepted) and "KEY=x" from "KEY".
	hasValue bool
}

// splitParams reads the parameters after a path: each after exactly one space, none twice.
// RFC 5321 sections 4.1.1.11 and 4.1.2; values may hold UTF-8 (RFC 6531
// section 3.3).
func splitParams(rest string) ([]param, error) {
	if rest == "" {
		return nil, nil
	}
	words := strings.Split(rest[1:], " ")
	params := make([]param, 0, len(words))
	for _, word := range words {
		p, err := splitParam(word)
		if err != nil {
			return nil, err
		}
		for _, other := range params {
			if other.keyword == p.keyword {
				return nil, Refusal(EBadParameter, p.keyword+" is given twice")
			}
		}
		params = append(params, p)
	}
	return params, nil
}

func splitParam(word string) (param, error) {
	keyword, value, hasValue := strings.Cut(word, "=")
	if keyword == "" {
		return param{}, Refusal(ESyntax, "expected parameters after one space each")
	}
	for i := 0; i < len(keyword); i++ {
		if c := keyword[i]; !isLetter(c) && !isDigit(c) && (c != '-' || i == 0) {
			return param{}, Refusal(ESyntax, "expected parameters after one space each")
		}
	}
	keyword = strings.ToUpper(keyword)
	if hasValue && value == "" {
		return param{}, Refusal(EBadParameter, keyword+" has no valid value")
	}
	return param{keyword: keyword, value: value, hasValue: hasValue}, nil
}

// setMailParam puts one parameter of MAIL into env.
func setMailParam(env *mail.Envelope, p param, ext Extensions) error {
	set, offered := (func(*mail.Envelope, param) error)(nil), false
	switch p.keyword {
	case "SIZE":
		set, offered = setSize, ext.Size
	case "BODY":
		set, offered = setBody, ext.EightBitMIME
	case "SMTPUTF8":
		set, offered = setSMTPUTF8, ext.SMTPUTF8
	case "RET":
		set, offered = setReturn, ext.DSN
	case "ENVID":
		set, offered = setEnvelopeID, ext.DSN
	case "AUTH":
		set, offered = checkAuth, ext.Auth
	}
	if !offered {
		return Refusal(EUnknownParameter, p.keyword) // RFC 5321 section 4.1.1.11
	}
	return set(env, p)
}

// setSize reads SIZE (RFC 1870 section 5).
func setSize(env *mail.Envelope, p param) error {
	size, valid := parseDigits(p.value)
	if !valid {
		return Refusal(EBadParameter, "SIZE must be a number")
	}
	env.Size = size
	return nil
}

// setBody reads BODY (RFC 6152 section 3). BINARYMIME would need CHUNKING all
// the way (RFC 3030 section 3) and is not offered.
func setBody(env *mail.Envelope, p param) error {
	switch strings.ToUpper(p.value) {
	case string(mail.Body7Bit):
		env.Body = mail.Body7Bit
	case string(mail.Body8Bit):
		env.Body = mail.Body8Bit
	case "BINARYMIME":
		return Refusal(EBinaryMIME, "")
	default:
		return Refusal(EBadParameter, "BODY must be 7BIT or 8BITMIME")
	}
	return nil
}

// setSMTPUTF8 reads SMTPUTF8, which has no value (RFC 6531 section 3.4).
func setSMTPUTF8(env *mail.Envelope, p param) error {
	if p.hasValue {
		return Refusal(EBadParameter, "SMTPUTF8 takes no value")
	}
	env.SMTPUTF8 = true
	return nil
}

// setReturn reads RET (RFC 3461 section 4.3).
func setReturn(env *mail.Envelope, p param) error {
	switch r := mail.DSNReturn(strings.ToUpper(p.value)); r {
	case mail.ReturnFull, mail.ReturnHeaders:
		env.Return = r
		return nil
	}
	return Refusal(EBadParameter, "RET must be FULL or HDRS")
}

// setEnvelopeID reads ENVID (RFC 3461 section 4.4).
func setEnvelopeID(env *mail.Envelope, p param) error {
	id, valid := xtext.Decode(p.value)
	if !valid || id == "" || len(p.value) > maxEnvID {
		return Refusal(EBadParameter, "ENVID must be at most 100 characters of xtext")
	}
	env.EnvelopeID = id
	return nil
}

// checkAuth reads AUTH (RFC 4954 section 5): "<>" or an address in xtext. We
// trust nobody's word for who submitted a message, so it is checked and dropped, as
// that section asks of a server that does not trust the client.
func checkAuth(_ *mail.Envelope, p param) error {
	bad := Refusal(EBadParameter, "AUTH must be <> or an address in xtext")
	if p.value == "<>" {
		return nil
	}
	address, valid := xtext.Decode(p.value)
	if !valid {
		return bad
	}
	if _, err := mail.ParseAddress(address); err != nil {
		return bad
	}
	return nil
}

// setRcptParam puts one parameter of RCPT into rcpt.
func setRcptParam(rcpt *mail.Recipient, p param, ext Extensions, utf8 bool) error {
	if ext.DSN {
		switch p.keyword {
		case "NOTIFY":
			return setNotify(rcpt, p.value)
		case "ORCPT":
			return setOriginal(rcpt, p.value, utf8)
		}
	}
	return Refusal(EUnknownParameter, p.keyword)
}

// setNotify reads NOTIFY (RFC 3461 section 4.1): NEVER alone, or a list of the
// others, each at most once.
func setNotify(rcpt *mail.Recipient, value string) error {
	notify := mail.NotifyUnset
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		var member mail.Notify
		switch word {
		case "NEVER":
			member = mail.NotifyNever
		case "SUCCESS":
			member = mail.NotifySuccess
		case "FAILURE":
			member = mail.NotifyFailure
		case "DELAY":
			member = mail.NotifyDelay
		default:
			return Refusal(EBadParameter, "NOTIFY must be NEVER or a list of SUCCESS, FAILURE, DELAY")
		}
		if notify.Has(member) {
			return Refusal(EBadParameter, "NOTIFY names "+word+" twice")
		}
		notify |= member
	}
	if notify.Has(mail.NotifyNever) && notify != mail.NotifyNever {
		return Refusal(EBadParameter, "NOTIFY=NEVER excludes the others")
	}
	rcpt.Notify = notify
	return nil
}

// setOriginal reads ORCPT (RFC 3461 section 4.2): a type, a semicolon and the
// address, encoded as xtext, or for the type utf-8 as RFC 6533 section 3 has it.
func setOriginal(rcpt *mail.Recipient, value string, utf8 bool) error {
	kind, encoded, found := strings.Cut(value, ";")
	if !found || !isAtom(kind) || len("ORCPT=")+len(value) > maxOrcpt {
		return Refusal(EBadParameter, "ORCPT must be a type, a semicolon and an address in xtext")
	}
	decode := xtext.Decode
	if strings.EqualFold(kind, "utf-8") {
		decode = xtext.DecodeUTF8
		if !utf8 && !isASCII(encoded) {
			return Refusal(ESMTPUTF8Required, "")
		}
	}
	address, valid := decode(encoded)
	if !valid || address == "" {
		return Refusal(EBadParameter, "the address in ORCPT is not encoded as it must be")
	}
	rcpt.Original = kind + ";" + address
	return nil
}

// isAtom reports whether s is an atom in ASCII (RFC 5322 section 3.2.3).
func isAtom(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
	}
	return s != ""
}

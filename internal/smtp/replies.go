package smtp

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Reply codes that are not refusals (RFC 5321 section 4.2.3; 235 and 334 of
// RFC 4954 section 4). Those of refusals stand in the catalogue.
const (
	codeHelp      = 214
	codeReady     = 220
	codeBye       = 221
	codeAuthOK    = 235
	codeOK        = 250
	codeCannotVfy = 252
	codeChallenge = 334
	codeStartData = 354
)

// Greeting opens a session as host, our own name (RFC 5321 section 4.3.1). It
// carries no enhanced code.
func Greeting(host string) Reply {
	return Reply{Code: codeReady, Text: host + " ESMTP Countersign"}
}

// Hello answers EHLO or HELO: our own name first, then one extension per line
// (RFC 5321 section 4.1.1.1). It carries no enhanced code.
func Hello(host string, extensions ...string) Reply {
	return Reply{Code: codeOK, Text: strings.Join(append([]string{host}, extensions...), "\n")}
}

// ReadyForTLS answers STARTTLS; the handshake follows (RFC 3207 section 4).
func ReadyForTLS() Reply { return ok(codeReady, EnhancedCode{2, 0, 0}, "Ready to start TLS") }

// Bye answers QUIT.
func Bye() Reply { return ok(codeBye, EnhancedCode{2, 0, 0}, "Goodbye") }

// OK answers NOOP and RSET.
func OK() Reply { return ok(codeOK, EnhancedCode{2, 0, 0}, "OK") }

// SenderOK answers MAIL.
func SenderOK() Reply { return ok(codeOK, EnhancedCode{2, 1, 0}, "Sender OK") }

// RecipientOK answers RCPT.
func RecipientOK() Reply { return ok(codeOK, EnhancedCode{2, 1, 5}, "Recipient OK") }

// ChunkOK answers a BDAT that was not the last, of n octets (RFC 3030 section 2).
func ChunkOK(n int64) Reply {
	return ok(codeOK, EnhancedCode{2, 0, 0}, fmt.Sprintf("%d octets received", n))
}

// Queued answers the end of a message that is durable under id.
func Queued(id string) Reply { return ok(codeOK, EnhancedCode{2, 0, 0}, "queued as "+id) }

// AuthOK ends a successful AUTH (RFC 4954 section 6).
func AuthOK() Reply { return ok(codeAuthOK, EnhancedCode{2, 7, 0}, "Authentication succeeded") }

// Challenge carries a SASL challenge, which may be empty (RFC 4954 section 4).
func Challenge(challenge []byte) Reply {
	return Reply{Code: codeChallenge, Text: base64.StdEncoding.EncodeToString(challenge)}
}

// StartData answers DATA; the message follows.
func StartData() Reply {
	return Reply{Code: codeStartData, Text: "Send the message, end with <CRLF>.<CRLF>"}
}

// CannotVerify answers VRFY (RFC 5321 section 3.5.3): nothing is disclosed.
func CannotVerify() Reply {
	return ok(codeCannotVfy, EnhancedCode{2, 5, 0}, "Addresses are not verified here; send the message to find out")
}

// Help answers HELP with the verbs that are known, and a line more where the
// operator has one.
func Help(verbs []string, more string) Reply {
	text := "Commands: " + strings.Join(verbs, " ")
	if more != "" {
		text += "\n" + more
	}
	return ok(codeHelp, EnhancedCode{2, 0, 0}, text)
}

// ok makes a reply that is not a refusal.
func ok(code int, enhanced EnhancedCode, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, Text: text}
}

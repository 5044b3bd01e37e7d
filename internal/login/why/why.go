// Package why has the reasons for which logins fail: for the record alone, which the
// helpdesk reads. The client gets one and the same answer for all of them.
//
// It decides nothing. Main function: Word.
package why

import "errors"

// The reasons.
var (
	// Unknown: no such account.
	Unknown = errors.New("unknown")
	// None: the account has nothing that the mechanism could prove.
	None = errors.New("no-credential")
	// Damaged: what is stored cannot be used.
	Damaged = errors.New("damaged-credential")
	// Wrong: it is another secret.
	Wrong = errors.New("wrong-password")
	// Suspended: the account, or what is above it, is suspended.
	Suspended = errors.New("suspended")
	// Expired: the credential has ended.
	Expired = errors.New("expired")
	// Network: the credential is not good from there.
	Network = errors.New("network")
	// Mechanism: the credential is not good by that mechanism.
	Mechanism = errors.New("mechanism")
	// Authzid: the client wants to act as somebody else.
	Authzid = errors.New("authorization-identity")
	// Token: the token is not good.
	Token = errors.New("token")
	// Foreign: the proof is of another account.
	Foreign = errors.New("token-of-another")
	// Prepared: the password can be none.
	Prepared = errors.New("not-a-password")
	// Homeless: the domain is nobody's here.
	Homeless = errors.New("unknown-domain")
	// Banned: the login is banned where the client is.
	Banned = errors.New("banned")
)

// All lists the reasons.
func All() []error {
	return []error{Unknown, None, Damaged, Wrong, Suspended, Expired, Network, Mechanism, Authzid, Token, Foreign, Prepared, Homeless, Banned}
}

// Word returns the reason of a failed login as one stable word, "" for any other error. It
// must never reach a client.
func Word(err error) string {
	for _, reason := range All() {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return ""
}

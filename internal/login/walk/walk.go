// Package walk says in plain words what was met on the way through a login, which
// package login has gone through: the name, the account and what is above it, where its
// password is known, each credential, and what it came to.
//
// It decides nothing, and holds no secret. Main types: Explanation, Standing, Step.
package walk

import (
	"countersign/internal/account"
)

// Explanation is what a login comes to, and why. It holds no secret.
type Explanation struct {
	// Login is the form under which accounts are kept, "" for what cannot be one.
	Login string
	// Sender is the account with what is above it; nil where the store has none.
	Sender *account.Sender
	// Legacy is Proofs.Legacy.
	Legacy bool
	// Asked are the directories that are asked for the password, in order; none where
	// the store decides. AskedFor is what they are asked for in its place, "" for nothing else.
	Asked    []string
	AskedFor string
	// NoTokens says that nobody verifies tokens now, so that the mechanisms for them are not
	// offered.
	NoTokens bool
	// Credentials are those of the account.
	Credentials []Standing
	// Decided says that the login was gone through to its end.
	Decided bool
	// Principal is who has proved to be who; nil where nobody has.
	Principal *account.Principal
	// Cause is why not, as why.Word has it; "" beside Trouble.
	Cause string
	// Detail is why a token is refused, as oauth.Cause has it; "" for all else.
	Detail string
	// Trouble is why it could not be decided at all.
	Trouble error
	// Away is the directory that could not say whether the login is right, "" where Trouble
	// is something else, and Why is what it said in place of an answer. Odd says that it is
	// well, and only this login has no sensible answer.
	Away string
	Odd  bool
	Why  error
	// Ban says which ban refuses the login where the client is, "" for none: its id,
	// whom it is of, why, until when, and how it is lifted.
	Ban string
	// Access says by which entry of an access list the login is denied where the client is,
	// "" for none.
	Access string
	// Renewed says that the secret of the password would be stored anew.
	Renewed bool
	// Unmade is the directory that took the password of an account that would be made
	// here only now; "" for none.
	Unmade string
	// Learns says what the account would learn of the directory's answer, and what it
	// cannot, a sentence each.
	Learns []string
}

// Standing is a credential as a login sees it.
type Standing struct {
	// Credential comes without its secret.
	account.Credential
	// Elsewhere is the directory that alone knows it, "" where it is stored here.
	Elsewhere string
	// Serves says that what is stored of it can be proved with the mechanism.
	Serves bool
	// Cause is why it may not be used from there, so, now, as why.Word has it; ""
	// where it may.
	Cause string
	// Hash is the kind of its hash, and Cost what trying it costs; "" for none.
	Hash, Cost string
	// Damaged says that the hash cannot be read.
	Damaged bool
	// Scram has the iterations of its SCRAM keys by mechanism.
	Scram map[string]int
	// Legacy are the other mechanisms for which keys are stored.
	Legacy []string
	// StaleHash and StaleKeys say that the next login that shows the password makes
	// these anew.
	StaleHash, StaleKeys bool
}

package alike

import "countersign/internal/sasl"

// Spelled reports whether a client's first message of SCRAM (RFC 5802 section 7) names the
// account of a key, the form under which accounts are kept, in just that spelling, and nobody
// else to act as. A directory may refuse another message for what the
// client has chosen about it, for accounts that it has too; who is then shown a challenge of
// ours, and by the plain message one of the directory's, can tell that the two differ. So a
// message that is not so goes no further, whatever the name.
func Spelled(first []byte, key string) bool {
	authzid, login, ok := sasl.ScramNames(first)
	return ok && login == key && (authzid == "" || authzid == key)
}

package argument

import (
	"fmt"
	"strings"

	"countersign/internal/mail"
)

// CredentialOf is an argument that names a credential of an account. The zero value names none.
type CredentialOf struct {
	Login mail.Address
	Name  string
}

// UnmarshalText reads "LOGIN/NAME". A name has no slash, a login may.
func (a *CredentialOf) UnmarshalText(text []byte) error {
	at := strings.LastIndex(string(text), "/")
	if at < 0 || at == len(text)-1 {
		return fmt.Errorf("%q is no credential: write the account's login, a slash and the credential's name", text)
	}
	login, err := mail.ParseAddress(string(text[:at]))
	a.Login, a.Name = login, string(text[at+1:])
	return Plain(err)
}

package outside

import (
	"net/netip"

	"countersign/internal/account"
	"countersign/internal/directory"
	"countersign/internal/login/why"
	"countersign/internal/mail"
)

// Judge says why an answer lets nobody in; nil where the password decides.
// login is whose password it is, "" where the directory alone knows: an answer about
// another one would let its writer in as whomever they name.
func Judge(answer *directory.Answer, login string, client netip.Addr) error {
	switch {
	case answer == nil:
		return why.ErrUnknown
	case login != "" && answer.Login != "" && !same(answer.Login, login):
		return why.ErrForeign
	case answer.Disabled:
		return why.ErrSuspended
	case len(answer.Networks) > 0 && !(&account.Envelope{Networks: answer.Networks}).AdmitsClient(client):
		return why.ErrNetwork
	case !answer.Verified && answer.Hash == "":
		return why.ErrWrong
	}
	return nil
}

// same reports whether a name is that login.
func same(name, login string) bool {
	key, ok := mail.KeyOf(name)
	return ok && key == login
}

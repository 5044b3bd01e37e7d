package admin

import (
	"strings"
	"unicode/utf8"

	"countersign/internal/account"
	"countersign/internal/fault"
)

// checkLength refuses what is too long for any rule.
func checkLength(password string) error {
	if len(password) > account.MaxPasswordBytes {
		return fault.New("account.password", fault.Invalid, "the password has %d octets; at most %d are allowed", len(password), account.MaxPasswordBytes)
	}
	return nil
}

// checkPassword prepares a new password for login and refuses a weak one.
func checkPassword(login, password string) (string, error) {
	const op = "account.password"
	if err := checkLength(password); err != nil {
		return "", err
	}
	if n := utf8.RuneCountInString(password); n < account.MinPasswordRunes {
		return "", fault.New(op, fault.Invalid, "the password has %d characters; at least %d are needed", n, account.MinPasswordRunes)
	}
	prepared, err := account.PreparePassword(password)
	if err != nil {
		return "", err
	}
	if strings.EqualFold(prepared, login) {
		return "", fault.New(op, fault.Invalid, "the password is the login itself; choose another")
	}
	return prepared, nil
}

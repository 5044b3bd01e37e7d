package dovecot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// Why Dovecot says no, where it tells. They are for the record alone: to the client
// they are all the same.
var (
	// ErrDisabled: the account is disabled; the password may be right or not.
	ErrDisabled = errors.New("the account is disabled, as Dovecot says")
	// ErrExpired: the password has expired.
	ErrExpired = errors.New("the password has expired, as Dovecot says")
	// ErrElsewhere: another server is to verify the login, or nobody.
	ErrElsewhere = errors.New("the account is another server's, or nobody's, as Dovecot says")
	// ErrAuthorization: who logged in may not act for the one that was named.
	ErrAuthorization = errors.New("the login may not act for another account")
	errNo            = errors.New("Dovecot says no")
	errTrouble       = fmt.Errorf("Dovecot has trouble of its own, which its log tells (%w)", directory.ErrThisLogin)
)

// refusal is what FAIL means. Before 2.3 Dovecot gave the reason as a field of its
// own.
func refusal(fields map[string]string) error {
	is := func(code, field string) bool {
		_, there := fields[field]
		return there || fields["code"] == code
	}
	why := errNo
	kind := fault.Unauthenticated
	switch {
	case is("temp_fail", "temp"):
		kind, why = fault.Unavailable, errTrouble
	case is("authz_fail", "authz"):
		why = ErrAuthorization
	case is("user_disabled", "user_disabled"):
		why = ErrDisabled
	case is("pass_expired", "pass_expired"):
		why = ErrExpired
	}
	if reason := fields["reason"]; reason != "" {
		why = fmt.Errorf("%w: %.100q", why, reason)
	}
	return &fault.Error{Op: "dovecot.next", Kind: kind, Err: why}
}

// accountOf is what OK means.
func (d *Dovecot) accountOf(fields map[string]string) (*directory.Answer, error) {
	const op = "dovecot.next"
	has := func(field string) bool {
		_, there := fields[field]
		return there
	}
	switch user := fields["user"]; {
	case has("nologin"): // OK is no leave to log in; this is to be taken for FAIL
		return nil, &fault.Error{Op: op, Kind: fault.Unauthenticated, Err: ErrDisabled}
	case has("proxy"), has("anonymous"): // so is this: another server is to verify the password, or nobody
		return nil, &fault.Error{Op: op, Kind: fault.Unauthenticated, Err: ErrElsewhere}
	case has("auth_user") && fields["auth_user"] != user, has("master") && fields["master"] != user:
		return nil, &fault.Error{Op: op, Kind: fault.Unauthenticated, Err: ErrAuthorization}
	case user == "":
		return nil, fault.New(op, fault.Corrupt, "directory %s does not say whose account it is", d.opt.Name)
	}
	a := &directory.Answer{Login: fields["user"], Verified: true, Here: true}
	if !strings.Contains(a.Login, "@") && d.domain != "" {
		a.Login += "@" + string(d.domain)
	}
	for name, value := range map[string]*string{d.opt.Plan: &a.Plan, d.opt.Customer: &a.Customer} {
		if name != "" {
			*value = fields[name]
		}
	}
	if d.opt.Aliases != "" {
		a.Aliases = strings.FieldsFunc(fields[d.opt.Aliases], func(r rune) bool { return r == ',' || r == ' ' })
	}
	if err := a.CheckProven(); err != nil {
		return nil, err
	}
	return a, nil
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

package ldap

import (
	"errors"
	"fmt"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/fault"
)

// errMany is a search that has found more than there may be.
var errMany = errors.New("there are several where one was looked for")

// described writes a server's result in one line of bounded length. What is no result
// stays as it is.
func described(err error) error {
	var result *goldap.Error
	if !errors.As(err, &result) || result.ResultCode >= goldap.ErrorNetwork {
		return err
	}
	return fmt.Errorf("result %d (%s): %.200q", result.ResultCode, goldap.LDAPResultCodeMap[result.ResultCode], result.Err.Error())
}

// bindResult says what the result of a bind as a user means (RFC 4513 section 5.1,
// RFC 4511 appendix A.2). Servers differ in what they say of accounts that may not log
// in: none of it is told to the client.
func bindResult(err error) error {
	const op = "ldap.bind"
	if err == nil {
		return nil
	}
	no := []uint16{
		goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultInsufficientAccessRights,
		goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultConstraintViolation,
	}
	unknown := []uint16{goldap.LDAPResultNoSuchObject, goldap.LDAPResultInvalidDNSyntax}
	var result *goldap.Error
	switch {
	case !errors.As(err, &result):
	case slices.Contains(no, result.ResultCode):
		return &fault.Error{Op: op, Kind: fault.Unauthenticated, Err: described(err)}
	case slices.Contains(unknown, result.ResultCode):
		return &fault.Error{Op: op, Kind: fault.NotFound, Err: described(err)}
	}
	return described(err)
}

// Package cause says in one word why a login failed, for the record: clients are told one
// thing, whatever it was.
//
// The words are those of the packages that judge logins.
package cause

import (
	"cmp"
	"errors"

	"countersign/internal/cert/client"
	"countersign/internal/login/why"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
	"countersign/internal/submission/guessing"
)

// Of says in one word why a login failed, "" where it is trouble of ours.
func Of(err error) string {
	if cause := guessing.Cause(err); cause != "" {
		return cause
	}
	if cause := why.Word(err); cause != "" {
		if detail := cmp.Or(oauth.Cause(err), client.Cause(err), why.Rule(err)); detail != "" {
			return cause + ": " + detail
		}
		return cause
	}
	for cause, of := range map[string]error{
		"downgrade": sasl.ErrDowngrade, "binding": sasl.ErrBinding, "replay": sasl.ErrReplay, "elsewhere": sasl.ErrElsewhere, "syntax": sasl.ErrSyntax,
	} {
		if errors.Is(err, of) {
			return cause
		}
	}
	return ""
}

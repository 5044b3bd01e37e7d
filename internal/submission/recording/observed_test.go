package recording

import (
	"fmt"
	"testing"

	"countersign/internal/account"
	"countersign/internal/smtpserver"
)

func TestEveryObservationIsRecorded(t *testing.T) {
	for _, o := range smtpserver.AllObserved() {
		if observed[o] == "" {
			t.Errorf("observation %v has no event", o)
		}
	}
}

// TestProvedData: the record names the credential of a login, or the issuer whose claim was
// enough, and what the client calls itself.
func TestProvedData(t *testing.T) {
	for _, c := range []struct {
		mechanism string
		by        account.Credential
		want      map[string]string
	}{
		{"PLAIN", account.Credential{ID: "1", Kind: account.Password, Name: "password"},
			map[string]string{"mechanism": "PLAIN", "credential": "password", "credential_id": "1", "program": "client.example"}},
		{"", account.Credential{ID: "1", Kind: account.Network, Name: "copier", Subject: "192.0.2.0/24"},
			map[string]string{"credential": "copier", "credential_id": "1", "program": "client.example"}},
		{"XOAUTH2", account.Credential{ID: "1", Kind: account.OAuth, Name: "sso", Subject: "idp ann"},
			map[string]string{"mechanism": "XOAUTH2", "credential": "sso", "credential_id": "1", "issuer": "idp", "program": "client.example"}},
		{"XOAUTH2", account.Credential{Kind: account.OAuth, Name: "idp", Subject: "idp ann"},
			map[string]string{"mechanism": "XOAUTH2", "credential_id": "none", "issuer": "idp", "program": "client.example"}},
	} {
		if got := Proved(&account.Principal{Credential: c.by}, c.mechanism, "client.example"); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %v, want %v", c.by, got, c.want)
		}
	}
}

package submission

import (
	"fmt"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/queue"
)

// TestCountedAs: the record of a message says by which credential and at which gate it came, and whether limits
// count it; of a credential that there is none, it says so.
func TestCountedAs(t *testing.T) {
	f := newFixture(t)
	f.gate.opt.Node = "g"
	s := f.login().(*session)
	to := func(recipients ...string) map[string]string {
		t.Helper()
		id, err := f.submit(s, testLogin, strings.NewReader("From: "+testLogin+"\r\n\r\nx\r\n"), recipients...)
		f.must(err)
		found, err := f.store.Search(t.Context(), audit.Query{Submission: id, Kind: audit.Accepted})
		f.must(err)
		if len(found) != 1 {
			t.Fatalf("found are %+v", found)
		}
		return found[0].Data
	}
	credential := string(s.proved.Credential.ID)
	if data := to("b@there.example", "postmaster@gate.example.org"); data["credential_id"] != credential || credential == "" || data["node"] != "g" || data["counts"] != "" {
		t.Errorf("of a message the record has %v", data)
	}
	if data := to("postmaster@gate.example.org"); data["counts"] != "apart" {
		t.Errorf("of one to the postmaster it has %v", data)
	}
	f.gate.opt.Node = ""
	data := s.countedAs(&queue.Acceptance{})
	if _, named := data["node"]; named || data["credential_id"] != "none" {
		t.Errorf("of a gate that is alone, and a login without a credential: %v", data)
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
		s := &session{hello: "client.example", proved: &account.Principal{Credential: c.by}}
		if got := s.provedData(c.mechanism); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %v, want %v", c.by, got, c.want)
		}
	}
}

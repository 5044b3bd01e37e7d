package submission

import (
	"strings"
	"testing"

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

package secrets

import (
	"fmt"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/sasl"
)

// TestImported: a hash is kept as it is, and one that is made of SCRAM's keys becomes a
// sealed key, from which it is read again, and which the password proves (RFC 7677 section 3: user "user", "pencil").
func TestImported(t *testing.T) {
	const scram = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	const few = "{SCRAM-SHA-256}100,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	const bcrypt = "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy"
	m := maker(t)
	for text, keys := range map[string]int{scram: 1, few: 0, bcrypt: 0} {
		h, err := hash.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.Imported("user@acme.example", h)
		if err != nil {
			t.Fatal(err)
		}
		if keys == 0 && s.Hash != text || s.Cost != h.Cost().String() || len(s.Keys) != keys {
			t.Errorf("%s became %+v", text, s)
		}
		again, err := m.Hash("user@acme.example", &s)
		if err != nil || again.Text() != text || keys > 0 && !again.Matches("pencil") {
			t.Errorf("%s is read again as %s, %v", text, again.Text(), err)
		}
		for _, key := range s.Keys {
			if strings.Contains(key.Value, ",") {
				t.Error("the key is not sealed")
			}
			k, err := m.Open(key.Mechanism, "user@acme.example", key.Value)
			if err != nil {
				t.Fatal(err)
			}
			want := sasl.ScramKey(key.Mechanism, "pencil", k.Salt, k.Iterations)
			if string(k.Stored) != string(want.Stored) || string(k.Server) != string(want.Server) {
				t.Errorf("the password does not prove %s", key.Mechanism)
			}
		}
	}
}

// Nothing of SCRAM's keys stands anywhere in clear, two accounts with the same hash do not
// show it, and what is damaged, or sealed for somebody else, is no hash.
func TestSealedHash(t *testing.T) {
	const salt, stored, server = "W22ZaJ0SNY7soEsUEjb6gQ==", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	h, err := hash.Parse("{SCRAM-SHA-256}4096," + salt + "," + stored + "," + server)
	if err != nil {
		t.Fatal(err)
	}
	m := maker(t)
	one, err := m.Imported("user@acme.example", h)
	if err != nil {
		t.Fatal(err)
	}
	two, err := m.Imported("user@acme.example", h)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{salt, stored, server} {
		if strings.Contains(fmt.Sprint(one), part) {
			t.Errorf("%s stands in clear in %+v", part, one)
		}
	}
	if one.Hash == two.Hash || one.Keys[0].Value == two.Keys[0].Value || len(one.Hash) < len(inKey+"SCRAM-SHA-256,")+26 {
		t.Errorf("%q tells of the password", one.Hash)
	}
	if _, err := m.Hash("other@acme.example", &one); err == nil {
		t.Error("it opens for another account")
	}
	for name, s := range map[string]account.Secret{
		"no key":      {Hash: one.Hash},
		"another key": {Hash: one.Hash, Keys: []account.SecretKey{{Mechanism: sasl.ScramSHA1, Value: one.Keys[0].Value}}},
		"no name":     {Hash: inKey, Keys: one.Keys},
		"legacy":      {Hash: inKey + CramMD5 + ",X", Keys: one.Keys},
		"unknown":     {Hash: "{OTHER}x"},
	} {
		if h, err := m.Hash("user@acme.example", &s); err == nil {
			t.Errorf("%s: %v", name, h.Text())
		}
	}
}

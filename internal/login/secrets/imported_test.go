package secrets

import (
	"strings"
	"testing"

	"countersign/internal/account/hash"
	"countersign/internal/sasl"
)

// TestImported: a hash is kept as it is, and one that is made of SCRAM's keys becomes a
// key too, which the password proves (RFC 7677 section 3: user "user", "pencil").
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
		if s.Hash != text || s.Cost != h.Cost().String() || len(s.Keys) != keys {
			t.Errorf("%s became %+v", text, s)
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

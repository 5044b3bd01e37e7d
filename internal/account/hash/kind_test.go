package hash

import (
	"strings"
	"testing"

	"countersign/internal/fault"
)

// What people write is what hashes of that kind cost.
func TestParseKind(t *testing.T) {
	for text, want := range map[string]string{
		"bcrypt:10":                "bcrypt 10",
		"BLF-CRYPT:5":              "bcrypt 5",
		"SHA512-CRYPT":             "sha512-crypt 5000",
		"sha256-crypt:100000":      "sha256-crypt 100000",
		"SHA512-CRYPT:5000,salt=8": "sha512-crypt 5000,salt=8",
		"MD5-CRYPT":                "md5-crypt",
		"ARGON2ID:m=65536,t=3,p=1": "argon2id m=65536,t=3,p=1",
		"Argon2i:m=32768,t=4,p=1":  "argon2i m=32768,t=4,p=1",
		"PBKDF2:5000":              "pbkdf2-sha1 5000",
		"pbkdf2-sha256:600000":     "pbkdf2-sha256 600000",
		"PBKDF2-SHA512:210000":     "pbkdf2-sha512 210000",
		"SCRAM-SHA-1:4096":         "pbkdf2-sha1 4096",
		"SCRAM-SHA-256:4096":       "pbkdf2-sha256 4096",
		"yescrypt:N=4096,r=32":     "yescrypt N=4096,r=32",
		"SSHA":                     "digest",
		"SSHA512.b64":              "digest",
		"sha256.HEX":               "digest",
		"digest":                   "digest",
	} {
		c, err := ParseKind(text)
		if err != nil || c.String() != want {
			t.Errorf("%s: %q, %v; want %q", text, c, err, want)
		}
		if again, err := ParseKind(c.Kind()); err != nil || again != c {
			t.Errorf("%s is written %s, which is %v, %v", text, c.Kind(), again, err)
		}
	}
}

// Each published hash is of the kind that its cost is written as.
func TestEveryHashHasAKind(t *testing.T) {
	for _, v := range vectors {
		h, err := Reader{Plain: true}.Parse(v.text)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := ParseKind(h.Cost().Kind()); err != nil || c != h.Cost() {
			t.Errorf("%s: %v, %v", h, c, err)
		}
	}
}

// What is no kind, says nothing of its cost, or costs more than is read, is refused with what
// to write.
func TestParseKindRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                           "known are",
		"bcrpt:10":                   "BLF-CRYPT",
		"CRYPT":                      "known are",
		"PLAIN":                      "known are",
		"PLAIN-MD5":                  "known are",
		"SSHA512.base32":             "known are",
		"{BLF-CRYPT}:10":             "known are",
		"BLF-CRYPT":                  "BLF-CRYPT:10",
		"bcrypt:":                    "cannot be read",
		"bcrypt:ten":                 "cannot be read",
		"bcrypt:15":                  "4 to 14 are allowed",
		"bcrypt:010":                 "cannot be read",
		"SSHA:5":                     "SSHA alone",
		"MD5-CRYPT:1000":             "MD5-CRYPT alone",
		"ARGON2ID":                   "ARGON2ID:m=65536,t=3,p=1",
		"ARGON2ID:m=9999999,t=1,p=1": "",
		"SHA512-CRYPT:5000,salt=16":  "sha512-crypt:5000",
		"SHA512-CRYPT:999":           "1000 to 1000000",
		"PBKDF2-SHA256:9000000":      "are allowed",
		"yescrypt:N=4000,r=32":       "power of two",
		"yescrypt:j9T":               "",
	} {
		c, err := ParseKind(text)
		if !fault.Is(err, fault.Invalid) || c != (Cost{}) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want %q", text, c, err, says)
		}
	}
}

// Whatever is written, a kind is one that ParseCost would read, or none.
func FuzzParseKind(f *testing.F) {
	for _, text := range []string{"bcrypt:10", "SHA512-CRYPT:5000,salt=8", "SSHA512.b64", "ARGON2ID:m=65536,t=3,p=1", "yescrypt:N=4096,r=32", ":", "."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseKind(text)
		if err != nil {
			return
		}
		if read, err := ParseCost(c.String()); err != nil || read != c || c == (Cost{}) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	})
}

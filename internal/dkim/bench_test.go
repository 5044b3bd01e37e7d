package dkim

import (
	"crypto"
	"crypto/rand"
	"io"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"countersign/internal/seal"
)

// benchText is n octets of ordinary text in lines.
func benchText(n int) []byte {
	const line = "The quick brown fox jumps over the lazy dog, and then does it once again.\r\n"
	return []byte(strings.Repeat(line, n/len(line)+1))[:n]
}

func BenchmarkBodyHash(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"4KB", 4 << 10}, {"100KB", 100 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			body := benchText(size.n)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				h := NewBodyHash()
				h.Write(body)
				h.sum()
			}
		})
	}
}

// BenchmarkSign4KB measures body and signatures by the keys that its cases name; the
// last uses the library as a yardstick.
func BenchmarkSign4KB(b *testing.B) {
	body := benchText(4 << 10)
	keys := testKeys(b)
	for _, c := range []struct {
		name string
		keys []Key
	}{{"rsa", keys[:1]}, {"ed25519", keys[1:]}, {"both", keys}} {
		b.Run(c.name, func(b *testing.B) {
			s := testSigner(b, c.keys)
			b.ReportAllocs()
			for b.Loop() {
				h := NewBodyHash()
				h.Write(body)
				_, err := s.Sign([]byte(testHead), h)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare-ed25519", func(b *testing.B) {
		digest := make([]byte, 32)
		for b.Loop() {
			keys[1].signer.Sign(nil, digest, crypto.Hash(0))
		}
	})
	b.Run("library-ed25519", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := msgauth.NewSigner(&msgauth.SignOptions{
				Domain: "cust.example", Selector: "x", Signer: keys[1].signer,
				HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
				HeaderKeys: []string{"From", "From", "To", "Subject", "Date", "Message-ID"},
			})
			if err != nil {
				b.Fatal(err)
			}
			io.WriteString(s, testHead)
			s.Write(body)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenSealed(b *testing.B) {
	keys := testKeys(b)
	s, err := seal.New(make([]byte, 32), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := keys[0].Seal(s)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, err := OpenKey(s, keys[0].Domain, keys[0].Selector, sealed)
		if err != nil {
			b.Fatal(err)
		}
	}
}

package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/sasl"
	"countersign/internal/seal"
)

const (
	login    = "a@acme.example"
	password = "abcde-fghij-kmnpq-rstuv"
)

func options(t *testing.T) MakerOptions {
	t.Helper()
	h, err := NewHasher(HasherOptions{Params: hash.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.New(bytes.Repeat([]byte{7}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return MakerOptions{Hasher: h, Sealer: s, Salt: []byte("a salt of this store"), Iterations: sasl.MinIterations, Realm: "acme.example"}
}

func maker(t *testing.T) *Maker {
	t.Helper()
	m, err := NewMaker(options(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHasherRefusesParameters(t *testing.T) {
	for _, p := range []hash.Params{{MemoryKiB: 1 << 20, Iterations: 1, Parallelism: 1}, {MemoryKiB: 64, Iterations: 17, Parallelism: 1}, {MemoryKiB: 64, Iterations: 1, Parallelism: 9}, {MemoryKiB: 8, Iterations: 1, Parallelism: 2}} {
		if _, err := NewHasher(HasherOptions{Params: p}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestMakerRefusesOptions(t *testing.T) {
	for name, change := range map[string]func(o *MakerOptions){
		"few iterations":  func(o *MakerOptions) { o.Iterations = sasl.MinIterations - 1 },
		"many iterations": func(o *MakerOptions) { o.Iterations = sasl.MaxIterations + 1 },
		"no salt":         func(o *MakerOptions) { o.Salt = nil },
	} {
		o := options(t)
		change(&o)
		if _, err := NewMaker(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeysAreSealed: nothing that can be guessed against, or logged in with, stands in a
// secret as it is, and a key is of one account and one mechanism.
func TestKeysAreSealed(t *testing.T) {
	m := maker(t)
	s, err := m.MakeSecret(t.Context(), login, password, account.Password, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range s.Keys {
		opened, err := m.Open(k.Mechanism, login, k.Value)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := base64.StdEncoding.DecodeString(k.Value)
		if err != nil || seal.KeyOf(stored) == "" || bytes.Contains(stored, opened.Stored) || bytes.Contains(stored, []byte(base64.StdEncoding.EncodeToString(opened.Stored))) {
			t.Errorf("%s is not sealed: %s, %v", k.Mechanism, k.Value, err)
		}
		if want := m.derive(k.Mechanism, login, password); !bytes.Equal(opened.Stored, want.Stored) || !bytes.Equal(opened.Server, want.Server) {
			t.Errorf("%s: another key was opened", k.Mechanism)
		}
		if _, err := m.Open(k.Mechanism, "b@acme.example", k.Value); err == nil {
			t.Errorf("the %s key of one account was opened as another's", k.Mechanism)
		}
		for _, other := range wanted(true) {
			if _, err := m.Open(other, login, k.Value); (err == nil) != (other == k.Mechanism) {
				t.Errorf("a key of %s as one of %s: %v", k.Mechanism, other, err)
			}
		}
	}
}

// Secrets that an administrator sets have all keys at once; those of the gate's own
// making cost a digest.
func TestMakeSecret(t *testing.T) {
	m := maker(t)
	for kind, cheap := range map[account.CredentialKind]bool{account.Password: false, account.AppPassword: true} {
		for _, legacy := range []bool{false, true} {
			s, err := m.MakeSecret(t.Context(), login, password, kind, legacy)
			if err != nil {
				t.Fatal(err)
			}
			h, err := hash.Parse(s.Hash)
			if err != nil || !h.Matches(password) || h.Cost().Cheap() != cheap || s.Cost != h.Cost().String() {
				t.Errorf("%s: %s, %s, %v", kind, h, s.Cost, err)
			}
			var names []string
			for _, k := range s.Keys {
				names = append(names, k.Mechanism)
				if strings.Contains(k.Value, password) {
					t.Errorf("%s shows the password", k.Mechanism)
				}
			}
			want := []string{sasl.ScramSHA1, sasl.ScramSHA256}
			if legacy {
				want = append(want, CramMD5, DigestMD5)
			}
			if !slices.Equal(names, want) {
				t.Errorf("%s, %v: keys %v", kind, legacy, names)
			}
			other, err := m.MakeSecret(t.Context(), login, password, kind, legacy)
			if err != nil || other.Hash == s.Hash {
				t.Errorf("two hashes of one password are the same, %v", err)
			}
		}
	}
}

// A generated password is the same however it is typed; any other text stays as it is.
func TestGenerated(t *testing.T) {
	h, err := digest(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{password, "ABCDEfghij KMNPQ-rstuv", "abcdefghijkmnpqrstuv", " abcde-fghij-kmnpq-rstuv "} {
		if got := Generated(typed); got != password || !Cheaply(h.Text(), got) {
			t.Errorf("%q is %q", typed, got)
		}
	}
	for _, other := range []string{"", "Correct horse battery", "abcde-fghij-kmnpq-rstu", "abcde-fghij-kmnpq-rstuvw"} {
		if got := Generated(other); got != other || Cheaply(h.Text(), got) {
			t.Errorf("%q is %q", other, got)
		}
	}
	o := options(t)
	slow, err := o.Hasher.make(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{slow.Text(), "", "nonsense"} {
		if Cheaply(text, password) {
			t.Errorf("%q is tried where nobody waits for a worker", text)
		}
	}
}

// A client proves the key that is its password's, wherever that stands in the list.
func TestWhich(t *testing.T) {
	m := maker(t)
	for _, mechanism := range wanted(true) {
		k := &sasl.Keys{Mechanism: mechanism, Login: login}
		for _, p := range []string{"another password", password} {
			key := m.derive(mechanism, login, p)
			k.List, k.Salt, k.Iterations = append(k.List, key.Key), key.Salt, key.Iterations
		}
		for p, want := range map[string]int{"another password": 0, password: 1, "neither of them": -1, "\x00": -1} {
			if got := m.Which(k, p); got != want {
				t.Errorf("%s: %q proves %d, want %d", mechanism, p, got, want)
			}
		}
	}
}

// What is stored of a legacy mechanism is one key, or a few behind each other; what is none is damaged.
func TestLegacyKeysOfSeveralForms(t *testing.T) {
	m := maker(t)
	for mechanism, size := range map[string]int{CramMD5: 32, DigestMD5: 16} {
		for octets := range 5 * size {
			value, err := m.opt.Sealer.Seal(seal.Password, seal.PasswordName(mechanism, login), bytes.Repeat([]byte{1}, octets))
			if err != nil {
				t.Fatal(err)
			}
			k, err := m.Open(mechanism, login, base64.StdEncoding.EncodeToString(value))
			if whole := octets > 0 && octets%size == 0 && octets/size <= sasl.Forms(mechanism); whole != (err == nil) {
				t.Errorf("%s of %d octets: %v", mechanism, octets, err)
			} else if whole && (len(k.Others) != octets/size-1 || len(k.Stored)+len(k.Server) != size) {
				t.Errorf("%s of %d octets: %d others", mechanism, octets, len(k.Others))
			}
		}
		for password, others := range map[string]int{"zehn Gurken": 0, "zehn m² Gärten": 2} {
			value, err := m.sealed(mechanism, login, m.derive(mechanism, login, password))
			if err != nil {
				t.Fatal(err)
			}
			k, err := m.Open(mechanism, login, value)
			if err != nil || len(k.Others) != others || m.halved(mechanism, login, value, password) {
				t.Errorf("%s of %q: %d others, %v", mechanism, password, len(k.Others), err)
			}
		}
	}
}

package login

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/fault"
)

// odd are passwords that are another text, or none, in the form of what is made here.
func odd() map[string]string {
	return map[string]string{
		"soft hyphen":    "a pass\u00adword of elsewhere",
		"no-break space": "a\u00a0password of elsewhere",
		"decomposed":     norm.NFD.String("ein Schlüsselwort für dort"),
	}
}

// A directory is shown what the client has sent, at the first login, at which the account is
// made here, and at each later one.
func TestDirectoryIsShownWhatWasSent(t *testing.T) {
	for name, password := range odd() {
		t.Run(name, func(t *testing.T) {
			w, m := outsiders(t, time.Second)
			for range 2 {
				m[0].asked = nil
				m[0].right = password
				if _, err := fromOutside(w, "v@out.example", password); err != nil {
					t.Errorf("%v", err)
				}
				if len(m[0].asked) != 1 || m[0].asked[0].Password != password {
					t.Errorf("asked %q", m[0].asked)
				}
				if _, err := fromOutside(w, "v@out.example", password); err != nil || len(m[0].asked) != 1 {
					t.Errorf("remembered: %v, asked %d times", err, len(m[0].asked))
				}
				w.pass(2 * time.Second)
			}
		})
	}
}

// What a directory answers with a hash of is what people type there.
func TestHashOfADirectoryIsOfWhatWasSent(t *testing.T) {
	for name, password := range odd() {
		t.Run(name, func(t *testing.T) {
			w, m := outsiders(t, 0)
			m[1].answers["o@out.example"] = directory.Answer{Login: "o@out.example", Hash: textOf(t, password)}
			for range 2 {
				if _, err := fromOutside(w, "o@out.example", password); err != nil {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// imported are hashes of odd that "openssl passwd -6" has made.
func imported() map[string]string {
	return map[string]string{
		"soft hyphen":    "{SHA512-CRYPT}$6$saltsaltsaltsalt$L5M6Rdk1v9ghtvt.MNtWxuAknmLWSlvGFfumjlQchtXMRoB66ucyCfpdYkqqr/ghoFMDmLo7Wtd9IciggjYDn.",
		"no-break space": "{SHA512-CRYPT}$6$saltsaltsaltsalt$zWpGt81BriHtnjl7LFg0sBq7ezkR8DvGtKldlXwI.EEEKhMNwp1tUj/shPILa9v7FfcEaGlR7ZaHKy3RmSvU70",
		"decomposed":     "{SHA512-CRYPT}$6$saltsaltsaltsalt$lDqG.A6VsQaft5l.tZnGfgpra.7aR9VRy5yxYB2VqNsKsDUdcT9.NPCe1Kv5qxc7VCi01zKUS70ylmE9ohBK/0",
	}
}

// Another system made its hash of what people typed there. It is made anew of the form of
// here, where there is one, and is good in both from then on.
func TestImportedHashIsOfWhatWasSent(t *testing.T) {
	for name, password := range odd() {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, setup{})
			stored, err := hash.Parse(imported()[name])
			if err != nil {
				t.Fatal(err)
			}
			w.hashed(loginA, stored)
			for range 2 {
				if err := w.password(loginA, password); err != nil {
					t.Fatal(err)
				}
			}
			h, err := hash.Parse(w.secret(loginA).Hash)
			if renewed := err == nil && w.hasher.Current(h); renewed != (name != "soft hyphen") {
				t.Errorf("stored anew: %v, %v", renewed, err)
			}
			if composed := norm.NFC.String(password); composed != password {
				if err := w.password(loginA, composed); err != nil {
					t.Errorf("composed: %v", err)
				}
			}
		})
	}
}

// A failure costs what is decided by what was sent: whether there is an account, what is stored of
// it, and whether it may be used makes no difference.
func TestBothFormsCostTheSameForAllNames(t *testing.T) {
	const password = "a\u00a0password of elsewhere"
	w := newWorldWith(t, setup{})
	w.hasher.Learn(hash.CostOf(dearer))
	w.hashed("b@acme.example", hashOf(t, dearer, password))
	w.give("b@acme.example", func(a *account.Account) { a.State = account.Suspended })
	for _, each := range []struct {
		password string
		want     []string
	}{
		{"a password of elsewhere", costs(today, dearer)},
		{password, append(costs(today, dearer), costs(today, dearer)...)},
		{"a pass\u00adword of elsewhere", costs(today, dearer)},
	} {
		slices.Sort(each.want)
		for _, login := range []string{loginA, "b@acme.example", "nobody@acme.example"} {
			w.work()
			err := w.password(login, each.password)
			if got := w.work(); !fault.Is(err, fault.Unauthenticated) || !slices.Equal(slices.Sorted(slices.Values(got)), each.want) {
				t.Errorf("%s with %q: %v, derived %v, want %v", login, each.password, err, got, each.want)
			}
		}
	}
}

package account

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"countersign/internal/fault"
)

func TestHashThatAnotherProgramMade(t *testing.T) {
	// Made with the reference implementation's command:
	// echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h, err := NewHasher(HasherOptions{Params: cheap})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"password": true, "passwore": false, "": false} {
		same, err := h.Verify(t.Context(), phc, password)
		if err != nil || same != want {
			t.Errorf("%q: %v, %v", password, same, err)
		}
	}
}

func TestHashRoundTrip(t *testing.T) {
	h, err := NewHasher(HasherOptions{Params: HashParams{MemoryKiB: 64, Iterations: 3, Parallelism: 2}})
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := h.Hash(t.Context(), "x")
	two, err2 := h.Hash(t.Context(), "x")
	if err1 != nil || err2 != nil || one == two {
		t.Fatalf("two hashes of one password: %q %q %v %v", one, two, err1, err2)
	}
	if !strings.HasPrefix(one, "$argon2id$v=19$m=64,t=3,p=2$") {
		t.Errorf("not in PHC form: %s", one)
	}
	parsed, err := parsePHC(one)
	if err != nil || parsed.String() != one {
		t.Errorf("%s reads as %s (%v)", one, parsed, err)
	}
	if !bytes.Equal(parsed.key, argon2.IDKey([]byte("x"), parsed.salt, 3, 64, 2, 32)) {
		t.Error("the key is not argon2id of the password")
	}
}

func TestStrictPHC(t *testing.T) {
	const good = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		changed := strings.Replace(good, old, new, 1)
		if changed == good {
			t.Fatalf("%q is not in the good hash", old)
		}
		return changed
	}
	for name, phc := range map[string]string{
		"empty":              "",
		"another algorithm":  change("argon2id", "argon2i"),
		"version":            change("v=19", "v=16"),
		"no version":         change("$v=19", ""),
		"order":              change("m=64,t=1", "t=1,m=64"),
		"more parameters":    change("p=1", "p=1,data=AAAA"),
		"leading zero":       change("m=64", "m=064"),
		"sign":               change("m=64", "m=+64"),
		"memory over cap":    change("m=64", "m=262145"),
		"memory overflow":    change("m=64", "m=4294967360"),
		"memory under lanes": change("m=64", "m=7"),
		"passes over cap":    change("t=1", "t=17"),
		"no pass":            change("t=1", "t=0"),
		"lanes over cap":     change("p=1", "p=9"),
		"lanes overflow":     change("p=1", "p=257"),
		"no lane":            change("p=1", "p=0"),
		"padding":            change("c29tZXNhbHQ", "c29tZXNhbHQ="),
		"newline":            change("c29tZXNhbHQ", "c29tZX\nNhbHQ"),
		"stray bits":         change("c29tZXNhbHQ", "c29tZXNhbHR"),
		"short salt":         change("c29tZXNhbHQ", "c29t"),
		"short key":          change("$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$CTFh"),
		"more":               good + "$",
		"before":             "x" + good,
		"too long":           good + strings.Repeat("A", 500),
	} {
		_, err := parsePHC(phc)
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "CTFh") {
			t.Errorf("%s: the error repeats the hash: %v", name, err)
		}
	}
}

func TestHasherRefusesParameters(t *testing.T) {
	for _, p := range []HashParams{{1 << 20, 1, 1}, {64, 17, 1}, {64, 1, 9}, {64, 0, 1}, {8, 1, 2}} {
		if _, err := NewHasher(HasherOptions{Params: p}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// blockingHasher derives only when released; running counts derivations.
func blockingHasher(t *testing.T, workers, queue int) (h *Hasher, running, most *atomic.Int32, release chan struct{}) {
	t.Helper()
	h, err := NewHasher(HasherOptions{Params: cheap, Workers: workers, Queue: queue})
	if err != nil {
		t.Fatal(err)
	}
	running, most, release = new(atomic.Int32), new(atomic.Int32), make(chan struct{})
	h.derive = func(_, _ []byte, _ HashParams, length uint32) []byte {
		now := running.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		<-release
		running.Add(-1)
		return make([]byte, length)
	}
	return h, running, most, release
}

func TestPoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, most, release := blockingHasher(t, 2, 3)
		var busy, done atomic.Int32
		var all sync.WaitGroup
		for range 9 {
			all.Go(func() {
				_, err := h.Hash(t.Context(), "x")
				switch {
				case err == nil:
					done.Add(1)
				case fault.Is(err, fault.Busy) && fault.ReasonOf(err) == "auth-busy":
					busy.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if running, waiting := h.Running(); running != 2 || waiting != 3 || busy.Load() != 4 {
			t.Errorf("%d run, %d wait, %d were refused; 2, 3 and 4 wanted", running, waiting, busy.Load())
		}
		close(release)
		all.Wait()
		if done.Load() != 5 || most.Load() != 2 {
			t.Errorf("%d done, at most %d at once; 5 and 2 wanted", done.Load(), most.Load())
		}
		if running, waiting := h.Running(); running+waiting != 0 {
			t.Errorf("%d run and %d wait afterwards", running, waiting)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, _, release := blockingHasher(t, 1, 1)
		var first sync.WaitGroup
		first.Go(func() { h.Waste(context.Background(), "x") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := h.Hash(ctx, "x")
		if !fault.Is(err, fault.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(release)
		first.Wait()
		if _, err := h.Hash(t.Context(), "x"); err != nil {
			t.Errorf("the place of the one that gave up is lost: %v", err)
		}
	})
}

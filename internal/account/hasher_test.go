package account

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"countersign/internal/account/phc"
	"countersign/internal/fault"
)

func TestHashRoundTrip(t *testing.T) {
	h, err := NewHasher(HasherOptions{Params: phc.Params{MemoryKiB: 64, Iterations: 3, Parallelism: 2}})
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
	parsed, err := phc.Parse(one)
	if err != nil || parsed.String() != one {
		t.Errorf("%s reads as %s (%v)", one, parsed, err)
	}
	if !bytes.Equal(parsed.Key, argon2.IDKey([]byte("x"), parsed.Salt, 3, 64, 2, 32)) {
		t.Error("the key is not argon2id of the password")
	}
}

func TestHasherRefusesParameters(t *testing.T) {
	for _, text := range []string{"m=1048576,t=1,p=1", "m=64,t=17,p=1", "m=64,t=1,p=9", "m=64,t=0,p=1", "m=8,t=1,p=2"} {
		var p phc.Params
		if _, err := fmt.Sscanf(text, "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Iterations, &p.Parallelism); err != nil {
			t.Fatal(err)
		}
		if _, err := NewHasher(HasherOptions{Params: p}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", p, err)
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
	h.derive = func(_, _ []byte, _ phc.Params, length uint32) []byte {
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
		first.Go(func() { h.try(context.Background(), trial{}) })
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

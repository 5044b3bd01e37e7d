package breached

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/fault"
)

// shuffled returns hashes in another order.
func shuffled(all []Hash) []Hash {
	all = slices.Clone(all)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// only wants a folder to hold these files and no others.
func only(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

// TestImportSorts: whatever the order, and with some twice, the result is the
// same file; with little memory too.
func TestImportSorts(t *testing.T) {
	all := hashes(200_000, 7)
	want, err := os.ReadFile(imported(t, text(all)))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != headBytes+len(all)*hashBytes {
		t.Fatalf("the list has %d octets", len(want))
	}
	mixed := shuffled(all)
	folder := t.TempDir()
	to := filepath.Join(folder, "list")
	var reads, writes []int64
	n, err := Import(t.Context(), ImportOptions{
		From: bytes.NewReader(text(append(mixed, mixed[:50_000]...))), To: to, MemoryBytes: 1,
		Progress: func(read, written int64) { reads, writes = append(reads, read), append(writes, written) },
	})
	if err != nil || n != int64(len(all)) {
		t.Fatalf("%d hashes, %v", n, err)
	}
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("another order makes another file (%v)", err)
	}
	only(t, folder, "list")
	if !slices.IsSorted(reads) || !slices.IsSorted(writes) || len(reads) < 7 {
		t.Errorf("progress %v, %v", reads, writes)
	}
	if last := len(reads) - 1; reads[last] != 250_000 || writes[last] != 200_000 {
		t.Errorf("progress ends with %d, %d", reads[last], writes[last])
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != listMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestSortedIsOneRun: a sorted list is not sorted again, however little the memory.
func TestSortedIsOneRun(t *testing.T) {
	all := hashes(120_000, 8)
	for name, c := range map[string]struct {
		all  []Hash
		want int
	}{"sorted": {all, 1}, "not": {shuffled(all), 3}} {
		file, err := os.Create(filepath.Join(t.TempDir(), "runs"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		i := &importer{
			opt: ImportOptions{MemoryBytes: 1, Progress: func(int64, int64) {}},
			ctx: t.Context(), source: newLineReader(bytes.NewReader(text(c.all))), sorted: file,
		}
		if err := i.split(); err != nil || len(i.runs) != c.want {
			t.Errorf("%s: %d runs, %v", name, len(i.runs), err)
		}
	}
}

// TestImportRefuses: what is no list leaves nothing, and the old list as it was.
func TestImportRefuses(t *testing.T) {
	all := hashes(100, 4)
	good := text(all)
	bin, err := os.ReadFile(imported(t, good))
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("the network is down")
	for name, c := range map[string]struct {
		from io.Reader
		kind fault.Kind
		say  string
	}{
		"empty":              {strings.NewReader(""), fault.Invalid, "empty"},
		"torn":               {bytes.NewReader(good[:len(good)-20]), fault.Invalid, "line 100"},
		"a word":             {strings.NewReader(string(good) + "secret\n"), fault.Invalid, "line 101"},
		"an empty line":      {strings.NewReader(string(good) + "\n" + string(good)), fault.Invalid, "line 101"},
		"one long line":      {strings.NewReader(strings.Repeat("A", 1<<20)), fault.Invalid, "line 1 "},
		"zeros":              {bytes.NewReader(make([]byte, 1<<20)), fault.Invalid, "line 1 "},
		"binary":             {bytes.NewReader(bin), fault.Invalid, "already"},
		"unreadable":         {io.MultiReader(bytes.NewReader(good), iotest.ErrReader(down)), fault.Unavailable, "network"},
		"unreadable at once": {iotest.ErrReader(down), fault.Unavailable, "network"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			to := filepath.Join(folder, "list")
			if err := os.WriteFile(to, bin, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Import(t.Context(), ImportOptions{From: c.from, To: to})
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "secret") {
				t.Errorf("the error is %v", err)
			}
			only(t, folder, "list")
			if now, err := os.ReadFile(to); err != nil || !bytes.Equal(now, bin) {
				t.Errorf("the list that was there is another now: %v", err)
			}
		})
	}
}

// TestImportIsCanceled in the middle of reading, and of writing.
func TestImportIsCanceled(t *testing.T) {
	content := text(shuffled(hashes(140_000, 4)))
	for name, when := range map[string]func(read, written int64) bool{
		"reading": func(read, _ int64) bool { return read > 0 },
		"writing": func(_, written int64) bool { return written > 0 },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			folder := t.TempDir()
			_, err := Import(ctx, ImportOptions{
				From: bytes.NewReader(content), To: filepath.Join(folder, "list"),
				Progress: func(read, written int64) {
					if when(read, written) {
						cancel()
					}
				},
			})
			if !fault.Is(err, fault.Canceled) {
				t.Errorf("the error is %v", err)
			}
			only(t, folder)
		})
	}
}

// TestImportNeedsAFolder: an error of the disk is no error of the list.
func TestImportNeedsAFolder(t *testing.T) {
	_, err := Import(t.Context(), ImportOptions{From: bytes.NewReader(text(hashes(2, 2))), To: filepath.Join(t.TempDir(), "none", "list")})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("the error is %v", err)
	}
}

// FuzzImport: what is imported is a sound list that holds what went in.
func FuzzImport(f *testing.F) {
	f.Add(text(shuffled(hashes(5, 2))))
	f.Add([]byte("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8"))
	to := filepath.Join(f.TempDir(), "list")
	f.Fuzz(func(t *testing.T, content []byte) {
		n, err := Import(context.Background(), ImportOptions{From: bytes.NewReader(content), To: to, MemoryBytes: 1})
		if err != nil {
			return
		}
		l := opened(t, to)
		if got, err := l.Verify(context.Background()); err != nil || got != n {
			t.Fatalf("imported %d, verified %d: %v", n, got, err)
		}
		source := newLineReader(bytes.NewReader(content))
		for {
			h, err := source.next()
			if err != nil {
				return
			}
			if !holds(t, l, h) {
				t.Fatalf("%x is lost", h)
			}
		}
	})
}

func BenchmarkImport(b *testing.B) {
	content := text(shuffled(hashes(1_000_000, 1)))
	to := filepath.Join(b.TempDir(), "list")
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := Import(b.Context(), ImportOptions{From: bytes.NewReader(content), To: to, MemoryBytes: 8 << 20}); err != nil {
			b.Fatal(err)
		}
	}
}

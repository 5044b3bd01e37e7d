package breached

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"countersign/internal/fault"
)

// hashes returns n different hashes in order, spread as those of passwords are; the
// same for the same seed.
func hashes(n int, seed uint64) []Hash {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	all := make([]Hash, n)
	for i := range all {
		_, _ = random.Read(all[i][:])
		binary.BigEndian.PutUint32(all[i][:], uint32(float64(i)/float64(n)*(1<<32)))
	}
	return all
}

// text writes hashes as the published lists have them: upper case, a count, CRLF.
func text(all []Hash) []byte {
	b := make([]byte, 0, len(all)*maxLine)
	for i, h := range all {
		b = hex.AppendEncode(b, h[:])
		b = append(strconv.AppendInt(append(b, ':'), int64(i%99999+1), 10), "\r\n"...)
	}
	return bytes.ToUpper(b)
}

// written writes a file of the test.
func written(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// imported imports a text.
func imported(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.bin")
	if _, err := Import(t.Context(), ImportOptions{From: bytes.NewReader(content), To: path}); err != nil {
		t.Fatal(err)
	}
	return path
}

// opened opens a list.
func opened(t testing.TB, path string) *List {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// holds asks a list.
func holds(t testing.TB, l *List, h Hash) bool {
	t.Helper()
	found, err := l.Holds(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestMillionHashes asks both forms of a list of more than a million.
func TestMillionHashes(t *testing.T) {
	all := hashes(1_100_000, 1)
	content := text(all)
	for name, path := range map[string]string{"text": written(t, content), "binary": imported(t, content)} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, path)
			asked := []int{0, 1, 2, len(all)/2 - 1, len(all) / 2, len(all) - 2, len(all) - 1}
			for i := range 1000 {
				asked = append(asked, i*1099)
			}
			for _, i := range asked {
				h := all[i]
				if !holds(t, l, h) {
					t.Fatalf("number %d is not found", i)
				}
				h[hashBytes-1] ^= 1
				if _, there := slices.BinarySearchFunc(all, h, compare); there != holds(t, l, h) {
					t.Fatalf("the neighbour of number %d: found is %v", i, !there)
				}
			}
			for _, h := range []Hash{{}, Hash(bytes.Repeat([]byte{255}, hashBytes))} {
				if holds(t, l, h) {
					t.Errorf("%x is found", h)
				}
			}
			if n, err := l.Verify(t.Context()); err != nil || n != int64(len(all)) {
				t.Errorf("verified %d hashes: %v", n, err)
			}
		})
	}
}

// TestSmallLists asks for each hash of lists of each small length, and for what is
// before, between and behind; in each way to write lines.
func TestSmallLists(t *testing.T) {
	for n := 1; n <= 20; n++ {
		all := hashes(n, uint64(n))
		crlf := text(all)
		lf := bytes.ReplaceAll(crlf, []byte("\r"), nil)
		var bare []byte
		for _, h := range all {
			bare = append(hex.AppendEncode(bare, h[:]), '\n')
		}
		for name, path := range map[string]string{
			"CRLF": written(t, crlf), "LF": written(t, lf), "no LF at the end": written(t, lf[:len(lf)-1]),
			"no counts, lower case": written(t, bare), "binary": imported(t, crlf),
		} {
			l := opened(t, path)
			for _, h := range all {
				less, more := h, h
				less[hashBytes-1]--
				more[hashBytes-1]++
				if !holds(t, l, h) || holds(t, l, less) || holds(t, l, more) {
					t.Fatalf("%s, %d hashes: %x: %v, less %v, more %v", name, n, h, holds(t, l, h), holds(t, l, less), holds(t, l, more))
				}
			}
			if count, err := l.Verify(t.Context()); err != nil || count != int64(n) {
				t.Errorf("%s: verified %d hashes of %d: %v", name, count, n, err)
			}
		}
	}
}

// TestPublishedHash: the hash of "password" is what every such list begins to be
// tried with.
func TestPublishedHash(t *testing.T) {
	l := opened(t, written(t, []byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3861493\n")))
	if !holds(t, l, sha1.Sum([]byte("password"))) || holds(t, l, sha1.Sum([]byte("Password"))) {
		t.Error("the list does not hold the password alone")
	}
}

// TestNoList: what is no list is refused at once, or by Verify.
func TestNoList(t *testing.T) {
	all := hashes(50, 3)
	good := text(all)
	backwards := slices.Clone(all)
	slices.Reverse(backwards)
	middle := slices.Clone(all)
	middle[20], middle[30] = middle[30], middle[20]
	twice := slices.Insert(slices.Clone(all), 10, all[10])
	bin, err := os.ReadFile(imported(t, good))
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(bin)
	damaged[headBytes+10*hashBytes+19] ^= 1
	for name, c := range map[string]struct {
		content []byte
		late    bool // Verify alone can know
	}{
		"empty":                 {nil, false},
		"words":                 {[]byte("password\nsecret\n"), false},
		"a first line too long": {[]byte(strings.Repeat("A", 500)), false},
		"not sorted":            {text(backwards), false},
		"two in wrong order":    {text(middle), true},
		"one twice":             {text(twice), true},
		"no count":              {[]byte(fmt.Sprintf("%X:\n", all[0])), false},
		"a count of letters":    {[]byte(fmt.Sprintf("%X:many\n", all[0])), false},
		"a count too long":      {[]byte(fmt.Sprintf("%X:%s\n", all[0], strings.Repeat("1", 21))), false},
		"no colon":              {[]byte(fmt.Sprintf("%X 1\n", all[0])), false},
		"torn":                  {append(slices.Clone(good), "ABCDEF"...), false},
		"a hole":                {slices.Concat(good[:500], make([]byte, 4096), good[500:]), true},
		"binary, a torn hash":   {bin[:len(bin)-1], false},
		"binary, one less":      {bin[:len(bin)-hashBytes], false},
		"binary, one more":      {append(slices.Clone(bin), bytes.Repeat([]byte{255}, hashBytes)...), false},
		"binary, half a head":   {bin[:headBytes-1], false},
		"binary, no hashes":     {head{}.bytes(), false},
		"binary, other hashes":  {damaged, true},
		"binary, a huge count":  {head{count: 1<<64 - 1}.bytes(), false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(written(t, c.content))
			if c.late {
				if err != nil {
					t.Fatalf("refused by Open: %v", err)
				}
				_, err = l.Verify(t.Context())
			}
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("the error is %v", err)
			}
			if err != nil && bytes.Contains([]byte(err.Error()), []byte("secret")) {
				t.Errorf("the error repeats the file: %v", err)
			}
		})
	}
}

// TestUnreadable: a list that is not there is not one without hashes.
func TestUnreadable(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder is a list")
	}
	path := written(t, text(hashes(3, 1)))
	l := opened(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Holds(ctx, Hash{}); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := l.Verify(ctx); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Holds(t.Context(), Hash{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("removed: %v", err)
	}
}

// TestHoleIsMet: a search that reads what is no line says so; it does not say that
// the hash is not there.
func TestHoleIsMet(t *testing.T) {
	good := text(hashes(200, 9))
	half := len(good) / 2
	l := opened(t, written(t, slices.Concat(good[:half], make([]byte, len(good)), good[half:])))
	if _, err := l.Holds(t.Context(), Hash{128}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("the error is %v", err)
	}
}

// TestSwap puts one list in the place of the other while many ask: a question is
// answered by one of them.
func TestSwap(t *testing.T) {
	common, either := hashes(2000, 5), hashes(1000, 6)
	merged := func(more []Hash) []Hash {
		all := append(slices.Clone(common), more...)
		slices.SortFunc(all, compare)
		return all
	}
	first, second := text(merged(either[:500])), text(merged(either[500:]))
	path := filepath.Join(t.TempDir(), "list")
	put := func(content []byte) {
		if _, err := Import(t.Context(), ImportOptions{From: bytes.NewReader(content), To: path}); err != nil {
			t.Error(err)
		}
	}
	put(first)
	l := opened(t, path)
	if !holds(t, l, either[0]) || holds(t, l, either[999]) {
		t.Fatal("the first list is not asked")
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, h := range common {
				if found, err := l.Holds(t.Context(), h); err != nil || !found {
					t.Errorf("while lists are swapped: %v, %v", found, err)
					return
				}
			}
		})
	}
	for range 10 {
		put(first)
		put(second)
	}
	all.Wait()
	if holds(t, l, either[0]) || !holds(t, l, either[999]) {
		t.Error("the second list is not asked")
	}
}

// FuzzList wants of any file that a search ends, without a panic, and finds what a
// sorted list holds.
func FuzzList(f *testing.F) {
	few := hashes(5, 2)
	f.Add(text(few), few[2][:])
	f.Add([]byte("\n\n\n"), few[0][:])
	f.Add(slices.Concat(head{count: 2}.bytes(), few[0][:], few[1][:]), few[1][:])
	f.Add(bytes.Repeat([]byte("A"), 300), few[0][:])
	path := filepath.Join(f.TempDir(), "list")
	f.Fuzz(func(t *testing.T, content, ask []byte) {
		var h Hash
		copy(h[:], ask)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		l := &List{path: path}
		found, err := l.Holds(context.Background(), h)
		if _, broken := l.Verify(context.Background()); broken != nil {
			return
		}
		if err != nil {
			t.Errorf("a sound list cannot be searched: %v", err)
		}
		there := bytes.Contains(bytes.ToUpper(content), fmt.Appendf(nil, "%X", h[:]))
		if isBinary(content) {
			there = false
			for at := headBytes; at < len(content); at += hashBytes {
				there = there || bytes.Equal(content[at:at+hashBytes], h[:])
			}
		}
		if found != there {
			t.Errorf("found is %v", found)
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	all := hashes(1_000_000, 1)
	content := text(all)
	for name, path := range map[string]string{"text": written(b, content), "binary": imported(b, content)} {
		b.Run(name, func(b *testing.B) {
			l := opened(b, path)
			for i := 0; b.Loop(); i++ {
				holds(b, l, all[i%len(all)])
			}
		})
	}
}

package hash

import (
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

func TestCostReadsWhatItWrites(t *testing.T) {
	for _, v := range append(vectors, plainVectors...) {
		cost, err := ParseCost(v.cost)
		if err != nil || cost.String() != v.cost || cost != parse(t, v.text).Cost() {
			t.Errorf("%q reads as %q (%v)", v.cost, cost, err)
		}
	}
	for _, text := range []string{"", "argon2id m=262144,t=16,p=16", "yescrypt N=262144,r=8", "sha512-crypt 1000000,salt=15", "pbkdf2-sha512 2000000", "bcrypt 14"} {
		if cost, err := ParseCost(text); err != nil || cost.String() != text || len(text) > MaxCostText {
			t.Errorf("%q reads as %q (%v)", text, cost, err)
		}
	}
}

// TestEstimates: each work has one, which is of the right size beside the others.
func TestEstimates(t *testing.T) {
	var last time.Duration
	for _, text := range []string{
		"", "digest", "md5-crypt", "sha512-crypt 5000", "yescrypt N=4096,r=32", "argon2id m=19456,t=2,p=1", "bcrypt 10",
		"pbkdf2-sha256 600000", "bcrypt 13", "sha256-crypt 1000000", "argon2i m=262144,t=16,p=1",
	} {
		c, err := ParseCost(text)
		if now := c.Estimate(); err != nil || now <= last && text != "" {
			t.Errorf("%q: %v, the one before %v (%v)", text, now, last, err)
		}
		last = c.Estimate()
	}
}

func TestNoCost(t *testing.T) {
	for _, text := range []string{
		" ", "x", "argon2id", "argon2id ", "argon2d m=64,t=1,p=1", "argon2id m=262145,t=1,p=1", "argon2id m=64,t=1", "argon2i m=64,t=17,p=1",
		"argon2id  m=64,t=1,p=1", "bcrypt", "bcrypt 15", "bcrypt 3", "bcrypt 05", "bcrypt 5 ", "bcrypt -5", "bcrypt +5",
		"sha512-crypt", "sha512-crypt 999", "sha512-crypt 1000001", "sha512-crypt 5000,salt=16", "sha512-crypt 5000,salt=17", "sha512-crypt 5000,salt=0",
		"sha512-crypt 5000,salt=", "sha1-crypt 5000", "md5-crypt 1000", "md5-crypt ", "digest 1", "yescrypt N=4096", "yescrypt N=4096,r=33", "yescrypt N=4096,r=0",
		"yescrypt N=4097,r=32", "yescrypt N=131072,r=32", "yescrypt N=524288,r=1", "yescrypt 4096,r=32", "pbkdf2-sha1 0", "pbkdf2-sha1 2000001", "pbkdf2-md5 1",
		"pbkdf2-sha1 4294967297", "pbkdf2-sha256 99999999999999999999",
	} {
		if cost, err := ParseCost(text); !fault.Is(err, fault.Invalid) || cost != (Cost{}) {
			t.Errorf("%q reads as %q (%v)", text, cost, err)
		}
	}
}

// TestDecoyDoesTheSame looks at what Spend derives with: the same kind of hash,
// of the same cost, with parts of the usual lengths.
func TestDecoyDoesTheSame(t *testing.T) {
	seen := map[Cost]bool{}
	for _, v := range append(vectors, plainVectors...) {
		h := parse(t, v.text)
		if seen[h.Cost()] {
			continue
		}
		seen[h.Cost()] = true
		decoy := h.Cost().decoy()
		if decoy == nil || decoy.cost() != h.Cost() {
			t.Fatalf("the decoy of %s is %v", v.cost, decoy)
		}
		if decoy.matches(v.password) {
			t.Errorf("the decoy of %s matches", v.cost)
		}
		if s, ok := decoy.(shaCryptHash); ok && len(s.salt) != len(h.stored.(shaCryptHash).salt) {
			t.Errorf("the decoy of %s has the salt %q", v.cost, s.salt)
		}
		if b, ok := decoy.(bcryptHash); ok { // the library reads the text; what it cannot read costs nothing
			if _, err := Parse(b.full); err != nil {
				t.Errorf("the decoy of %s cannot be read: %v", v.cost, err)
			}
		}
	}
}

// benched are hashes of the usual cost of each kind.
var benched = []string{
	"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$wJiOUm8DceAPJ6kx68Jtn753P+F/qKJkfFGxIPJDlFA",
	"$argon2i$v=19$m=32768,t=4,p=1$dN75cIS1w/A1PtcgEek9Bg$YblTVgk04FWLykpKEofepFTMoOoxUqPPAABsSKysCwY",
	"$2y$10$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
	"$5$qSrH/sbUMiTlFu1x$vw9bc56E/2eN7j8vTftrNRG8G848O2XIjaaSY1PAWo5",
	"$5$salt$vw9bc56E/2eN7j8vTftrNRG8G848O2XIjaaSY1PAWo5",
	"$6$eWDxTiKpuv6vIWcd$WFyNlsR79lpn0D7HETesefieIrwpCzARngR1oAYY6gZHVw5rKPnV5N1ap.jKTQR5b67nQRuks5/pHUqusUnWh/",
	"$1$abcdefgh$G//4keteveJp0qb8z2DxG/",
	"$y$j9T$abcdefgh$79JhsKZwfY/UU2qrk3QcffpHl7EyEEJK0pA5pD1wu73",
	"$pbkdf2$131000$MDEyMzQ1Njc4OWFiY2RlZg$1jeJ9ie0Y2iXRiVsN3XIJdfx7QE",
	"pbkdf2_sha256$600000$seasalt$ENcKHQCXooIYcZf5UkQVGzAc16EP1wm6D8SrjlcJW2s=",
	"$pbkdf2-sha512$25000$MDEyMzQ1Njc4OWFiY2RlZg$0HxWyDdrgr/uJKHaftBy/qqxqEWWvpu/nB4YT8.dvfhU5uA2BauHk9ojeKD52NNmxX7ceV9rrCrDTevugs8X3A",
	"{SCRAM-SHA-256}4096,KlbFtnBriG/CBb/ozuB/xQ==,UOhI2TCZdk7FdKnRFcD/lnrL26XAkPlnEGT9aJR2sR4=,LV7QAeYB9QyX2mowXcBdIs008T9qO/lJtY7MSU0LgFE=",
	"{SSHA512}HjNpOZNg3+RZl0Mxpl+1btpfmojjol4A1QzhrfZ+i7V1jBS014cHjCbe+Rjp8xQcrJLFsD+gFXVr+NVyRDkhWve1aog=",
}

// BenchmarkMatches measures a try of a password of usual length for each kind,
// and Spend in turns with it: "apart-µs" is how far the medians of the two are
// from each other, and "spread-µs" how far the quartiles of Matches alone.
func BenchmarkMatches(b *testing.B) {
	const password = "correct horse battery"
	for _, text := range benched {
		h, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(h.Scheme()+"="+strings.ReplaceAll(h.Cost().String(), " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			var matches, spend []time.Duration
			for b.Loop() {
				start := time.Now()
				h.Matches(password)
				matches = append(matches, time.Since(start))
				b.StopTimer()
				start = time.Now()
				h.Cost().Spend(password)
				spend = append(spend, time.Since(start))
				b.StartTimer()
			}
			slices.Sort(matches)
			slices.Sort(spend)
			n := len(matches)
			apart := (matches[n/2] - spend[n/2]).Abs()
			b.ReportMetric(float64(apart.Nanoseconds())/1000, "apart-µs")
			b.ReportMetric(float64((matches[n*3/4]-matches[n/4]).Nanoseconds())/1000, "spread-µs")
		})
	}
}

package rule

import (
	"math"
	"testing"

	"github.com/trustelem/zxcvbn"
)

// TestReference holds estimates against those of the reference, zxcvbn 4.4.2 in
// JavaScript, for the passwords of its own demonstration and some more.
func TestReference(t *testing.T) {
	for _, c := range []struct {
		password string
		score    int
		guesses  float64
	}{
		{"zxcvbn", 0, 58.0},
		{"qwER43@!", 2, 9.05e7},
		{"Tr0ub4dour&3", 2, 1.91e7},
		{"correcthorsebatterystaple", 4, 2.74e14},
		{"coRrecth0rseba++ery9.23.2007staple$", 4, 5.15e20},
		{"D0g..................", 1, 4.42e5},
		{"abcdefghijk987654321", 1, 1.50e4},
		{"neverforget13/3/1997", 3, 4.92e9},
		{"1qaz2wsx3edc", 0, 1.00e3},
		{"temppass22", 1, 3.88e5},
		{"briansmith", 1, 1.50e4},
		{"briansmith4mayor", 4, 1.51e10},
		{"password1", 0, 190},
		{"viking", 0, 244},
		{"thx1138", 0, 209},
		{"ScoRpi0ns", 1, 2.90e5},
		{"do you know", 3, 1.00e9},
		{"ryanhunter2000", 3, 1.01e8},
		{"rianhunter2000", 3, 2.50e8},
		{"asdfghju7654rewq", 3, 9.23e8},
		{"AOEUIDHG&*()LS_", 3, 1.28e9},
		{"12345678", 0, 4.00},
		{"defghi6789", 1, 2.56e4},
		{"rosebud", 0, 272},
		{"Rosebud", 0, 543},
		{"ROSEBUD", 0, 543},
		{"rosebuD", 0, 543},
		{"ros3bud99", 1, 6.42e4},
		{"r0s3bud99", 1, 1.18e5},
		{"R0$38uD99", 2, 1.31e6},
		{"verlineVANDERMARK", 4, 2.45e10},
		{"eheuczkqyq", 3, 1.00e10},
		{"rWibMFACxAUGZmxhVncy", 4, 1.00e20},
		{"Ba9ZyWABu99[BK#6MBgbH88Tofv)vs$w", 4, 1.00e32},
		{"correct horse battery staple", 4, 2.14e20},
		{"Sommer2026!!", 3, 6.05e9},
		{"hunter2hunter2hunter2", 1, 2.41e4},
		{"qwertyuiopasdf", 1, 3.57e4},
		{"aaaaaaaaaaaaaaaa", 0, 193},
		{"abcdefghijklmnop", 0, 65.0},
		{"19.04.1987-19.04", 4, 1.14e11},
		{"mountain bicycle", 3, 1.35e8},
		{"purple-kettle-ocean-42", 4, 1.85e17},
		{"nB7#xq!Lw2Zr", 4, 1.00e12},
	} {
		if got := judge(c.password, nil); got.score != c.score {
			t.Errorf("%q has the score %d, want %d", c.password, got.score, c.score)
		}
		// Guesses at dates grow with each year that passes.
		got := zxcvbn.PasswordStrength(fold(c.password), nil).Guesses
		if off := math.Abs(math.Log2(got / c.guesses)); off > 0.5 {
			t.Errorf("%q takes %.3g guesses, want %.3g", c.password, got, c.guesses)
		}
	}
}

// TestFold: what is judged is ASCII, a character for a character.
func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abc": "abc", "Müller": "Muller", "①²": "12", "e\u0301": "e\x03"[:1] + string(bare('\u0301')),
		"日日本":  string([]rune{bare('日'), bare('日'), bare('本')}),
		"\xff": string(bare('\uFFFD')), "\x00\n": "\x00\n",
	} {
		got := fold(text)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for r := rune(0); r < 0x30000; r++ {
		if b := bare(r); b < 0 || b >= 0x80 {
			t.Fatalf("%U becomes %U", r, b)
		}
	}
	if bare('日') == bare('本') || bare('г') == bare('д') {
		t.Error("different characters become the same")
	}
}

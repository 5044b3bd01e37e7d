package hash

import (
	"strings"
	"testing"

	"countersign/internal/fault"
)

// Good ones, to be broken.
const (
	goodArgon2   = "$argon2id$v=19$m=64,t=1,p=2$c29tZXNhbHRzb21l$wJiOUm8DceAPJ6kx68Jtn753P+F/qKJkfFGxIPJDlFA"
	goodBcrypt   = "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"
	goodSHA512   = "$6$rounds=1400$anotherlongsalts$bAwPz7awZnTexG/xjPjj4LC699VyWvcb.E8Ti7msWJJymzohzPOpJLnnafvQ/KqggJ5RgpJPv/g.9xp3ppK4C."
	goodMD5      = "$1$abcdefgh$G//4keteveJp0qb8z2DxG/"
	goodYescrypt = "$y$j75$abcdefgh12345678$Zs9aSRvA5vtwnKf1sgFs66hY6yu859vzDpXJ9.FsZy3"
	goodPBKDF2   = "{PBKDF2}$1$zq84edTEbuY0KUAq$5000$815ac182b8b7ff287fa9f9bbc39be06243bdc487"
	goodPasslib  = "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$BZb1YNgckcAfbkg6giPVWOGZUQTYR3KmTHt74v.P2cw"
	goodDjango   = "pbkdf2_sha256$36000$seasalt$ENcKHQCXooIYcZf5UkQVGzAc16EP1wm6D8SrjlcJW2s="
	goodSCRAM    = "{SCRAM-SHA-1}4096,5yRq6jZ63p8BRolRNJI7Sw==,TwfBwt2zvTLC8bmQRVy1bS0ZkJo=,ioyzLZ03ezLD4yXaesT08cg/NhM="
	goodSSHA     = "{SSHA}1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU"
)

// TestRefused changes one thing in a good hash each time ("old>new").
func TestRefused(t *testing.T) {
	for _, c := range []struct{ good, change, want string }{
		{goodArgon2, "m=64>m=262145", "262145 KiB of memory"},
		{goodArgon2, "m=64>m=4294967360", "no plain number"},
		{goodArgon2, "m=64>m=15", "15 KiB of memory, 16 to"},
		{goodArgon2, "t=1>t=17", "17 iterations, 1 to 16"},
		{goodArgon2, "p=2>p=17", "17 lanes, 1 to 16"},
		{goodArgon2, "p=2>p=258", "258 lanes"},
		{goodArgon2, "v=19>v=16", "not of version 19"},
		{goodArgon2, "$v=19>", "six parts"},
		{goodArgon2, "argon2id>argon2d", "form is not supported"},
		{goodArgon2, "c29tZXNhbHRzb21l>c29tZXM", "salt is 5 octets long"},
		{goodArgon2, "c29tZXNhbHRzb21l>c29tZXNhbHRzb21=", "salt is not proper base64"},
		{goodArgon2, "FA>FB", "key is not proper base64"},
		{goodArgon2, "$wJiO>$$wJiO", "six parts"},
		{goodBcrypt, "$05$>$15$", "15 doublings of its work, 4 to 14 are allowed"},
		{goodBcrypt, "$05$>$31$", "31 doublings"},
		{goodBcrypt, "$05$>$03$", "3 doublings"},
		{goodBcrypt, "$05$>$5$", "53 characters"},
		{goodBcrypt, "$05$>$$", "cannot be read"},
		{goodBcrypt, "$05$>$005$", "cannot be read"},
		{goodBcrypt, "awu>aw", "53 characters"},
		{goodBcrypt, "awu>aw:", "53 characters"},
		{goodBcrypt, "awu>awuu", "53 characters"},
		{goodBcrypt, "2y>2x", "form is not supported"},
		{goodSHA512, "=1400>=1000001", "1000001 rounds, 1000 to 1000000 are allowed"},
		{goodSHA512, "=1400>=999", "999 rounds"},
		{goodSHA512, "=1400>=01400", "rounds cannot be read"},
		{goodSHA512, "=1400>=99999999999999999999", "rounds cannot be read or are far too many"},
		{goodSHA512, "=1400>=-1400", "rounds cannot be read"},
		{goodSHA512, "longsalts>longsaltss", "17 characters of salt"},
		{goodSHA512, "anotherlongsalts>", "parts salt and key"},
		{goodSHA512, "$bAw>bAw", "parts salt and key"},
		{goodSHA512, "4C.>4C", "86 characters"},
		{goodSHA512, "4C.>4C:", "86 characters"},
		{goodSHA512, "$6$>$5$", "43 characters"},
		{goodMD5, "abcdefgh>abcdefghi", "salt has 9 characters"},
		{goodMD5, "abcdefgh>", "salt has 0 characters"},
		{goodMD5, "xG/>xG", "22 characters"},
		{goodMD5, "xG/>xG!", "22 characters"},
		{goodYescrypt, "j75>jFT", "1048576 KiB of memory"},
		{goodYescrypt, "j75>jET", "524288 KiB of memory, 1 to 262144 are allowed"},
		{goodYescrypt, "j75>jG5", "524288 blocks (N)"},
		{goodYescrypt, "j75>j65", "512 blocks (N)"},
		{goodYescrypt, "j75>j7U", "33 lines a block"},
		{goodYescrypt, "j75>j7!", "65 lines a block"},
		{goodYescrypt, "j75>jzz", "parameters are not"},
		{goodYescrypt, "j75>k75", "parameters are not"},
		{goodYescrypt, "j75>j75.", "parameters are not"},
		{goodYescrypt, "abcdefgh12345678>", "salt or key"},
		{goodYescrypt, "abcdefgh12345678>a", "salt or key"},
		{goodYescrypt, "abcdefgh12345678>" + strings.Repeat("abcd", 22), "salt or key"},
		{goodYescrypt, "$Zs9>$Zs", "salt or key"},
		{goodYescrypt, "$Zs9>Zs9", "parts parameters"},
		{goodPBKDF2, "$5000$>$2000001$", "2000001 iterations, 1 to 2000000 are allowed"},
		{goodPBKDF2, "$5000$>$0$", "0 iterations"},
		{goodPBKDF2, "$5000$>$5e3$", "iterations cannot be read"},
		{goodPBKDF2, "$1$>$2$", "form $1$salt"},
		{goodPBKDF2, "c487>c4", "20 octets"},
		{goodPBKDF2, "c487>c48g", "20 octets"},
		{goodPBKDF2, "zq84edTEbuY0KUAq>", "salt cannot be read"},
		{goodPBKDF2, "zq84edTEbuY0KUAq>" + strings.Repeat("x", 65), "1 to 64 octets"},
		{goodPBKDF2, "{PBKDF2}>{PBKDF2.hex}", "not proper hex"},
		{goodPBKDF2, "{PBKDF2}>{PBKDF2.b64}", "not proper base64"},
		{goodPBKDF2, "{PBKDF2}>{PBKDF2.gz}", "encoding"},
		{goodPasslib, "29000>2000001", "2000001 iterations"},
		{goodPasslib, "$29000>", "form"},
		{goodPasslib, "P2cw>P2c", "32 octets"},
		{goodPasslib, "v.P2>v+P2", "form"},
		{goodPasslib, "sha256>sha512", "64 octets"},
		{goodDjango, "36000>2000001", "2000001 iterations"},
		{goodDjango, "seasalt>sea$salt", "form"},
		{goodDjango, "W2s=>W2s", "32 octets"},
		{goodDjango, "pbkdf2_>pbkdf3_", "form is not supported"},
		{goodSCRAM, "4096>2000001", "2000001 iterations"},
		{goodSCRAM, "4096,>4096,,", "form"},
		{goodSCRAM, "5yRq6jZ63p8BRolRNJI7Sw==>", "salt is 0 octets"},
		{goodSCRAM, "TwfBwt2zvTLC8bmQRVy1bS0ZkJo=>TwfBwt2zvTLC8bmQRVy1bS0Z", "stored key is 18 octets"},
		{goodSCRAM, "NhM=>NhN=", "server key is not proper"},
		{goodSCRAM, "SHA-1>SHA-256", "stored key is 20 octets"},
		{goodSSHA, "qSceEvQU>", "21 to 84 are allowed"},
		{goodSSHA, "{SSHA}>{SSHA256}", "33 to 96 are allowed"},
		{goodSSHA, "{SSHA}>{SHA}", "20 to 20 are allowed"},
		{goodSSHA, "EvQU>EvQ!", "not proper base64"},
		{goodSSHA, "{SSHA}>{SSHA.HEX}", "not proper hex"},
		{goodSSHA, "EvQU>" + strings.Repeat("EvQU", 30), "21 to 84 are allowed"},
		{goodSSHA, "{SSHA}>{sec ret7}", "a scheme that is not known"},
		{goodSSHA, "{SSHA}>{SHA3}", "a scheme SHA3 that is not known; known are ARGON2, "},
		{goodSSHA, "{SSHA}>", "names no scheme"},
		{goodSSHA, "{SSHA}>{SSHA", "names no scheme"},
		{goodSSHA, "{SSHA}>{}", "scheme that is not known"},
		{goodSSHA, "EvQU>Ev\nQU", "control character"},
		{goodSSHA, "EvQU>Ev\xffQU", "not UTF-8"},
		{goodSSHA, "{SSHA}1qh>{DES-CRYPT}1qh", "DES-CRYPT: it is not supported"},
		{goodSSHA, "{SSHA}1qh>{PLAIN-MD4}1qh", "PLAIN-MD4: it is not supported"},
		{goodSHA512, "$6$>!$6$", "is locked"},
		{goodSHA512, goodSHA512 + ">*", "is locked"},
		{goodSHA512, goodSHA512 + ">", "there is no password hash"},
		{goodSHA512, goodSHA512 + ">" + strings.Repeat("A", MaxText+1), "at most 1024"},
		{goodSHA512, goodSHA512 + ">CHwrVt22qQr7o", "DES is not supported"},
		{goodSHA512, goodSHA512 + ">{CRYPT}CHwrVt22qQr7o", "DES is not supported"},
		{goodSHA512, goodSHA512 + ">{CRYPT}!", "is locked"},
		{goodSHA512, goodSHA512 + ">{CRYPT}", "names no scheme"},
		{goodSHA512, goodSHA512 + ">{PLAIN.HEX}6100", "control character"},
		{goodSHA512, goodSHA512 + ">{PLAIN.HEX}ff61", "not UTF-8"},
		{goodSHA512, goodSHA512 + ">{PLAIN}", "empty"},
		{goodSHA512, goodSHA512 + ">{PLAIN}" + strings.Repeat("a", MaxPassword+1), "more than 512"},
	} {
		reader := Reader{Plain: true}
		if _, err := reader.Parse(c.good); err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(c.change, ">")
		bad := strings.Replace(c.good, before, after, 1)
		if bad == c.good {
			t.Fatalf("%q changes nothing", c.change)
		}
		_, err := reader.Parse(bad)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.change, err, c.want)
			continue
		}
		checkSilent(t, bad, err)
	}
}

// checkSilent wants no error to repeat a piece of the hash: four characters
// anywhere behind the parameters.
func checkSilent(t *testing.T, text string, err error) {
	t.Helper()
	secret := text[strings.LastIndexAny(text, "$,}")+1:]
	for i := 0; i+6 <= len(secret); i++ {
		if strings.Contains(err.Error(), secret[i:i+6]) {
			t.Errorf("the error repeats the hash: %v", err)
			return
		}
	}
}

func TestDefaultScheme(t *testing.T) {
	for _, c := range []struct{ scheme, text, want string }{
		{"SSHA", "1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU", "SSHA"},
		{"ssha.hex", "2f698ff2f9563f1564fbd6d88320b43eebb5617ab9a641b0", "SSHA"},
		{"CRYPT", goodBcrypt, "bcrypt"},
		{"SHA512-CRYPT", goodBcrypt, "bcrypt"}, // as Dovecot does
		{"PBKDF2", strings.TrimPrefix(goodPBKDF2, "{PBKDF2}"), "pbkdf2-sha1"},
		{"SSHA", goodPBKDF2, "pbkdf2-sha1"}, // the named one wins
		{"PLAIN", "$6$ is my password", "PLAIN"},
		{"", goodBcrypt, "bcrypt"},
		{"", goodDjango, "pbkdf2-sha256"},
	} {
		h, err := Reader{Scheme: c.scheme, Plain: true}.Parse(c.text)
		if err != nil || h.Scheme() != c.want {
			t.Errorf("%s as %s reads as %s (%v)", c.text, c.scheme, h.Scheme(), err)
			continue
		}
		if again, err := (Reader{Plain: true}).Parse(h.Text()); err != nil || again.Text() != h.Text() || again.Scheme() != c.want {
			t.Errorf("%s is written as %s, which does not name its scheme (%v)", c.text, h.Text(), err)
		}
	}
	if _, err := (Reader{Scheme: "PLAIN"}).Parse("$6$ is my password"); err == nil {
		t.Error("the default scheme PLAIN makes passwords accepted unasked")
	}
}

// FuzzParse wants that what is read is bounded, is written so that it reads the
// same again, and that nothing is repeated where it is not.
func FuzzParse(f *testing.F) {
	for _, v := range append(vectors, plainVectors...) {
		f.Add(v.text, "")
	}
	f.Add("1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU", "SSHA.b64")
	f.Add("$y$j..$$", "")
	f.Fuzz(func(t *testing.T, text, scheme string) {
		h, err := Reader{Scheme: scheme, Plain: true}.Parse(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || h.Text() != "" {
				t.Fatalf("%v, %v", h, err)
			}
			return
		}
		if len(h.Text()) > MaxText || strings.ContainsAny(h.Text(), "\r\n\x00") {
			t.Fatalf("written as %q", h.Text())
		}
		again, err := Reader{Plain: true}.Parse(h.Text())
		if err != nil || again.Text() != h.Text() || again.Scheme() != h.Scheme() || again.Cost() != h.Cost() {
			t.Fatalf("%q is written as %q, which reads as %v (%v)", text, h.Text(), again, err)
		}
		cost, err := ParseCost(h.Cost().String())
		if err != nil || cost != h.Cost() || len(cost.String()) > MaxCostText || cost == (Cost{}) {
			t.Fatalf("the cost %q reads as %q (%v)", h.Cost(), cost, err)
		}
	})
}

package hash

import (
	"crypto"
	"encoding/base64"
	"strings"
	"testing"
)

// zwerge is the password of most vectors; it is not ASCII.
const zwerge = "Grüße, 7 Zwerge!"

// vector is a hash that another program has made.
type vector struct {
	text, password, scheme, cost string
}

// vectors were made by libxcrypt 4.4.33 (crypt), "openssl passwd", Dovecot
// 2.3.19 ("doveadm pw"), passlib 1.7.4 and the reference command of argon2.
var vectors = []vector{
	// libxcrypt
	{"$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "password", "md5-crypt", "md5-crypt"},
	{"$1$abcdefgh$S71zsUU1Vy/Q05fWkw8VY.", zwerge, "md5-crypt", "md5-crypt"},
	{"$1$abcdefgh$06aFAnVfqM7H4kDMwscRI1", x80, "md5-crypt", "md5-crypt"},
	{"$5$saltstring$OH4IDuTlsuTYPdED1gsuiRMyTAwNlRWyA6Xr3I4/dQ5", "password", "sha256-crypt", "sha256-crypt 5000,salt=10"},
	{"$5$rounds=10000$saltstringsaltst$fy9uGgKDYsiqJGYWPc2aB9UoIaZ/7BH2o6TqOeO6sP/", zwerge, "sha256-crypt", "sha256-crypt 10000"},
	{"$5$rounds=10000$saltstringsaltst$NzBqm3mR2GvpbZaYz1xYnfJTjbZjEKD.Havm8Fvbcw0", x80, "sha256-crypt", "sha256-crypt 10000"},
	{"$6$saltstring$adDbXsJjcDlq2662QPgd.tkSOVmnG9Tt3oXl4HR60SusC3AGjirnDenVZp3DGwLwqy6iYKCzannhaX9DR72nN1", "password", "sha512-crypt", "sha512-crypt 5000,salt=10"},
	{"$6$rounds=1400$anotherlongsalts$bAwPz7awZnTexG/xjPjj4LC699VyWvcb.E8Ti7msWJJymzohzPOpJLnnafvQ/KqggJ5RgpJPv/g.9xp3ppK4C.", zwerge, "sha512-crypt", "sha512-crypt 1400"},
	{"$6$rounds=1400$anotherlongsalts$qXLx1yEbm/We1lc9A6boOzKq5paPEBPgI1L7xYBQ5SP0l4UcRpmuirongz0ppy81ygvqkS2Z7KaD99M3FHbxT.", x80, "sha512-crypt", "sha512-crypt 1400"},
	{"$6$a$UJJpPMyKVH8kMlCqDikE79idcJGbSeMxxe5Zn60bZtQcPYRLHOWlblRhdLc1gcZe4.T6mxfQ7qmiehfcl8QKi1", zwerge, "sha512-crypt", "sha512-crypt 5000,salt=1"},
	{"$2a$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu", "password", "bcrypt", "bcrypt 5"},
	{"$2b$05$abcdefghijklmnopqrstuuR4ATIG0XPZmMxhsluCNaCmLMYmXMA6G", "pass word £", "bcrypt", "bcrypt 5"},
	{"$2a$05$abcdefghijklmnopqrstuuESdCDMdmLExAFg2wUDxV7tyj.qCTVry", zwerge, "bcrypt", "bcrypt 5"},
	{"$2y$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q", x80, "bcrypt", "bcrypt 5"},
	{"$y$j9T$abcdefgh$kwaGcP76CWiEWdedlnGRZjqla9IyiEG/v2KGxvM1g.D", zwerge, "yescrypt", "yescrypt N=4096,r=32"},
	{"$y$j75$abcdefgh12345678$cYQKxP0QW9TM07JO9tbYwYA1eRWU.XNgj7WKOMolL1C", x80, "yescrypt", "yescrypt N=1024,r=8"},
	{"$y$j85$LdJMENpBABJJ3hIHjB1Bi.$i.RHhXqM8Nr6mPbQvdAXcy2FrwB5rXyU2jm9gnojUMB", zwerge, "yescrypt", "yescrypt N=2048,r=8"},
	// openssl passwd -apr1, passlib
	{"$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1", "password", "apr1", "md5-crypt"},
	{"$apr1$r31.....$j1KxMEFNXfGorOPcvo/LE0", zwerge, "apr1", "md5-crypt"},
	{"$apr1$abcd$Sx7uJ6QNTPdd5WrNQSFzG0", x80, "apr1", "md5-crypt"},
	{"$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$BZb1YNgckcAfbkg6giPVWOGZUQTYR3KmTHt74v.P2cw", zwerge, "pbkdf2-sha256", "pbkdf2-sha256 29000"},
	{"$pbkdf2-sha512$25000$MDEyMzQ1Njc4OWFiY2RlZg$0HxWyDdrgr/uJKHaftBy/qqxqEWWvpu/nB4YT8.dvfhU5uA2BauHk9ojeKD52NNmxX7ceV9rrCrDTevugs8X3A", zwerge, "pbkdf2-sha512", "pbkdf2-sha512 25000"},
	{"$pbkdf2$131000$MDEyMzQ1Njc4OWFiY2RlZg$1jeJ9ie0Y2iXRiVsN3XIJdfx7QE", zwerge, "pbkdf2-sha1", "pbkdf2-sha1 131000"},
	{"pbkdf2_sha256$36000$seasalt$ENcKHQCXooIYcZf5UkQVGzAc16EP1wm6D8SrjlcJW2s=", zwerge, "pbkdf2-sha256", "pbkdf2-sha256 36000"},
	{"pbkdf2_sha1$60000$seasalt$8lGe6DizTYwgswXPgPNM7IuR2es=", zwerge, "pbkdf2-sha1", "pbkdf2-sha1 60000"},
	// argon2
	{"$argon2i$v=19$m=4096,t=3,p=4$c29tZXNhbHRzb21l$3ahm2+qZ3yIFvsC6vTOmF9hQspynqAVL3+GoRBQvCWk", zwerge, "argon2i", "argon2i m=4096,t=3,p=4"},
	{"$argon2id$v=19$m=4096,t=2,p=16$c29tZXNhbHRzb21l$FlVJhtv/Wt9F6/CJUtzkW3KloyjKtV+Pq8/+HFCV20U", zwerge, "argon2id", "argon2id m=4096,t=2,p=16"},
	{"$argon2id$v=19$m=64,t=1,p=2$c29tZXNhbHRzb21l$wJiOUm8DceAPJ6kx68Jtn753P+F/qKJkfFGxIPJDlFA", zwerge, "argon2id", "argon2id m=64,t=1,p=2"},
	{"argon2$argon2id$v=19$m=64,t=1,p=2$c29tZXNhbHRzb21l$wJiOUm8DceAPJ6kx68Jtn753P+F/qKJkfFGxIPJDlFA", zwerge, "argon2id", "argon2id m=64,t=1,p=2"},
	{"bcrypt$$2b$05$abcdefghijklmnopqrstuuR4ATIG0XPZmMxhsluCNaCmLMYmXMA6G", "pass word £", "bcrypt", "bcrypt 5"},
	// doveadm pw
	{"{SHA1}6a7or+zF/0jF3+0+4xKgV/oc4Yo=", zwerge, "SHA", "digest"},
	{"{sha}6a7or+zF/0jF3+0+4xKgV/oc4Yo=", zwerge, "SHA", "digest"},
	{"{SHA256}ildVgMZXbSUN4PviJf3fcW17AWg2z8cfe/PMoUAQbPA=", zwerge, "SHA256", "digest"},
	{"{SHA256.HEX}8a575580c6576d250de0fbe225fddf716d7b016836cfc71f7bf3cca140106cf0", zwerge, "SHA256", "digest"},
	{"{SHA256}8a575580c6576d250de0fbe225fddf716d7b016836cfc71f7bf3cca140106cf0", zwerge, "SHA256", "digest"},
	{"{SHA512}pk1mdOg668jY8V1gk8VX1aZ7IF1XHl0cRfb8E8Ib08mCQp7TpbpcbjhKJ/LmD8NXCnRecRWwaVMVVivNPxFotw==", zwerge, "SHA512", "digest"},
	{"{SSHA}1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU", zwerge, "SSHA", "digest"},
	{"{SSHA.HEX}2f698ff2f9563f1564fbd6d88320b43eebb5617ab9a641b0", zwerge, "SSHA", "digest"},
	{"{SSHA256}dQAKxuFKhUog0X4P3k7pottFNixD8+8tAQHp6m7pDAf7LXYp", zwerge, "SSHA256", "digest"},
	{"{SSHA512}HjNpOZNg3+RZl0Mxpl+1btpfmojjol4A1QzhrfZ+i7V1jBS014cHjCbe+Rjp8xQcrJLFsD+gFXVr+NVyRDkhWve1aog=", zwerge, "SSHA512", "digest"},
	{"{SMD5}fxG7oWERTyrfGbdG851FI7fQXOc=", zwerge, "SMD5", "digest"},
	{"{SMD5.HEX}246c65c97bf320305b4ef69b24129fc3ccc36109", "password", "SMD5", "digest"},
	{"{CRYPT}$2y$05$ga8JqOb8ZdNw/htJFe9A5u0iFuOfhMfiUPv7/c9uTzByw8bIJbcbm", zwerge, "bcrypt", "bcrypt 5"},
	{"{BLF-CRYPT}$2y$05$4ri7Czo6GT1.rd2GxL3hHebeWO4AYxBzh9D/58RdeT2s3pYrkVV22", zwerge, "bcrypt", "bcrypt 5"},
	{"{BLF-CRYPT.B64}JDJ5JDA1JDJXRVJlZUNzQnRqamdBZ0k0emkwdmVibGFxVVpVQ2VaQTF4LlRIeU41Yy45VlBaZ2lBSTdx", zwerge, "bcrypt", "bcrypt 5"},
	{"{CRYPT.HEX}24327924303524666134726e3837484451592e38416c35565131496f4f7530684c474d35714d4f65665465583957514f4330323637704247535a546d", zwerge, "bcrypt", "bcrypt 5"},
	{"{MD5-CRYPT}$1$.OEbdw.5$VbFpSa1PJ/1S9zSGDZebL.", zwerge, "md5-crypt", "md5-crypt"},
	{"{MD5}$1$D5XBPBek$f7mDfHANKol4feM1vDnoQ/", zwerge, "md5-crypt", "md5-crypt"},
	{"{MD5.HEX}2431247933322f392e652e24543958354e62793934684a594554424f6e6e7871312e", zwerge, "md5-crypt", "md5-crypt"},
	{"{SHA256-CRYPT}$5$qSrH/sbUMiTlFu1x$vw9bc56E/2eN7j8vTftrNRG8G848O2XIjaaSY1PAWo5", zwerge, "sha256-crypt", "sha256-crypt 5000"},
	{"{SHA512-CRYPT}$6$eWDxTiKpuv6vIWcd$WFyNlsR79lpn0D7HETesefieIrwpCzARngR1oAYY6gZHVw5rKPnV5N1ap.jKTQR5b67nQRuks5/pHUqusUnWh/", zwerge, "sha512-crypt", "sha512-crypt 5000"},
	{"{SHA512-CRYPT.BASE64}JDYkR2xzLnNLQjFtYkJ5UDhpNyQ5UWNueVMwcHM1c2VLakRBZThsd05nSFRuWXBPSUNqVGpZMzZheXp3MzFuMlVFaHBvRnZTZWdFcWxvOWRJTkdpVGpxNE92bHBEMkluU3dlZVN5cmJsLg==", zwerge, "sha512-crypt", "sha512-crypt 5000"},
	{"{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$dN75cIS1w/A1PtcgEek9Bg$YblTVgk04FWLykpKEofepFTMoOoxUqPPAABsSKysCwY", zwerge, "argon2i", "argon2i m=32768,t=4,p=1"},
	{"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$rGk51xBqxdElphQx1YykoQ$jYlwgJlOdH821d9xfNdqlMdyi+YvlYo5s4f28bRvOLE", zwerge, "argon2id", "argon2id m=65536,t=3,p=1"},
	{"{PBKDF2}$1$zq84edTEbuY0KUAq$5000$815ac182b8b7ff287fa9f9bbc39be06243bdc487", zwerge, "pbkdf2-sha1", "pbkdf2-sha1 5000"},
	{"{PBKDF2}$1$Ll4UtV3A3c/KGqdw$10$c1cc641a06f1bff5a6f3490e347c56486c89956a", "password", "pbkdf2-sha1", "pbkdf2-sha1 10"},
	{"{PBKDF2.B64}JDEkLncvRG5YLjhXaVU4c24xVSQ1MDAwJGIzNDBmMWMxMTdiYWJlMmE2NDE3NTljNWU4NzBmYjVlYWM2MDZhOWI=", zwerge, "pbkdf2-sha1", "pbkdf2-sha1 5000"},
	{"{SCRAM-SHA-1}4096,5yRq6jZ63p8BRolRNJI7Sw==,TwfBwt2zvTLC8bmQRVy1bS0ZkJo=,ioyzLZ03ezLD4yXaesT08cg/NhM=", zwerge, "SCRAM-SHA-1", "pbkdf2-sha1 4096"},
	{"{SCRAM-SHA-1.B64}NDA5Nix3WkFvTC9lUGtFMW4ybkUzQXB6aHF3PT0sSWh2N2hqL21lNmpqQ2lMVUhaSTB0bDVXajQ4PSx1N3NwbHhmSnBXQmZyU2tSQjhGQkF3UjNuWEk9", zwerge, "SCRAM-SHA-1", "pbkdf2-sha1 4096"},
	{"{SCRAM-SHA-256}4096,KlbFtnBriG/CBb/ozuB/xQ==,UOhI2TCZdk7FdKnRFcD/lnrL26XAkPlnEGT9aJR2sR4=,LV7QAeYB9QyX2mowXcBdIs008T9qO/lJtY7MSU0LgFE=", zwerge, "SCRAM-SHA-256", "pbkdf2-sha256 4096"},
}

// plainVectors are refused without Reader.Plain; doveadm pw made them too.
var plainVectors = []vector{
	{"{PLAIN}" + zwerge, zwerge, "PLAIN", "digest"},
	{"{CLEAR}" + zwerge, zwerge, "PLAIN", "digest"},
	{"{cleartext}" + zwerge, zwerge, "PLAIN", "digest"},
	{"{PLAIN.B64}R3LDvMOfZSwgNyBad2VyZ2Uh", zwerge, "PLAIN", "digest"},
	{"{PLAIN-MD5}c649c4d0477077ede6801c0d40da5db8", zwerge, "PLAIN-MD5", "digest"},
	{"{MD5}c649c4d0477077ede6801c0d40da5db8", zwerge, "PLAIN-MD5", "digest"},
	{"{LDAP-MD5}xknE0Edwd+3mgBwNQNpduA==", zwerge, "LDAP-MD5", "digest"},
	{"{LDAP-MD5}X03MO1qnZdYdgyfeuILPmQ==", "password", "LDAP-MD5", "digest"},
	{"{PLAIN-MD5}X03MO1qnZdYdgyfeuILPmQ==", "password", "PLAIN-MD5", "digest"},
}

var x80 = strings.Repeat("x", 80)

func TestHashesOfOtherPrograms(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.scheme, func(t *testing.T) { checkVector(t, Reader{}, v) })
	}
}

func TestPlainOnlyWhereAskedFor(t *testing.T) {
	for _, v := range plainVectors {
		t.Run(v.scheme, func(t *testing.T) { checkVector(t, Reader{Plain: true}, v) })
		if _, err := Parse(v.text); err == nil {
			t.Errorf("%s is accepted unasked", v.scheme)
		} else if !strings.Contains(err.Error(), "only where it is asked for") {
			t.Errorf("%s: %v", v.scheme, err)
		}
	}
}

// checkVector wants the hash to match its password alone, and to be written so
// that it reads the same again.
func checkVector(t *testing.T, r Reader, v vector) {
	t.Helper()
	h, err := r.Parse(v.text)
	if err != nil {
		t.Fatalf("%s: %v", v.text, err)
	}
	if h.Scheme() != v.scheme || h.Cost().String() != v.cost {
		t.Errorf("%s reads as %s, %q", v.text, h.Scheme(), h.Cost())
	}
	if !h.Matches(v.password) {
		t.Errorf("%s does not match its password", v.text)
	}
	if wrong := "Q" + v.password[1:]; h.Matches(wrong) {
		t.Errorf("%s matches %q", v.text, wrong)
	}
	again, err := r.Parse(h.Text())
	if err != nil || again.Text() != h.Text() || again.Cost() != h.Cost() {
		t.Errorf("%s is written as %s, which reads as another (%v)", v.text, h.Text(), err)
	}
}

func TestSCRAMKeys(t *testing.T) {
	// The example of RFC 7677 section 3: user "user", password "pencil".
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	stored := "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
	server := "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	h, err := Parse("{SCRAM-SHA-256}4096," + base64.StdEncoding.EncodeToString(salt) + "," + stored + "," + server)
	if err != nil || !h.Matches("pencil") || h.Matches("pencil2") {
		t.Fatalf("the example does not match: %v", err)
	}
	keys, ok := h.SCRAM()
	if !ok || keys.Digest != crypto.SHA256 || keys.Iterations != 4096 || string(keys.Salt) != string(salt) ||
		base64.StdEncoding.EncodeToString(keys.StoredKey) != stored || base64.StdEncoding.EncodeToString(keys.ServerKey) != server {
		t.Errorf("keys are %+v", keys)
	}
	keys.StoredKey[0] ^= 1
	if !h.Matches("pencil") {
		t.Error("the keys that were handed out are those of the hash")
	}
	for name, text := range map[string]string{
		"server key": h.Text()[:len(h.Text())-len(server)] + stored,
		"stored key": strings.Replace(h.Text(), stored, server, 1),
	} {
		if bad, err := Parse(text); err != nil || bad.Matches("pencil") {
			t.Errorf("a wrong %s matches (%v)", name, err)
		}
	}
	other, _ := Parse(vectors[0].text)
	if _, ok := other.SCRAM(); ok {
		t.Error("MD5-crypt has SCRAM keys")
	}
}

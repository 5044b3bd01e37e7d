package roster

import (
	"errors"
	"io"
	"strings"
	"testing"

	"countersign/internal/account/hash"
)

func TestPasswdFile(t *testing.T) {
	const text = "\ufeff# comes from the old server\n" +
		"shop@example.org:" + sha512 + "\n" +
		"\n" +
		"Info@Example.ORG:{SSHA}1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU:1000:1000:The Shop:/home/info:/bin/false\r\n" +
		"a@example.org:{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu::::::userdb_quota_rule=*:storage=1G allow_nets=192.0.2.0/24,2001:db8::/32 nodelay\n" +
		"b@example.org:" + sha512 + "::::::nologin=no\n" +
		"c@example.org:" + sha512 + "::::::fail\n" +
		"d@example.org:!" + sha512 + "\n" +
		"e@example.org:*\n" +
		"f:" + sha512 + "::::::user=f@example.org\n" +
		"g@example.org:" + sha512 + "::::::user=other@example.org\n" +
		"h@example.org:$1$abcdefgh$G//4keteveJp0qb8z2DxG/[13]:x\n" +
		"i@example.org:adDbXsJj[34]\n" +
		"j@example.org:{CRYPT}!!\n" +
		"last@example.org:" + sha512
	want(t, NewPasswdFile(strings.NewReader(text), Options{}),
		"2: shop@example.org sha512-crypt",
		"4: Info@example.org SSHA",
		"5: a@example.org bcrypt; allow_nets is not taken over: the account may log in from everywhere until it is restricted again; not taken over: userdb_quota_rule, nodelay",
		"6: b@example.org sha512-crypt suspended; the account is suspended, as nologin forbids it to log in",
		"7: c@example.org sha512-crypt suspended; the account is suspended, as fail forbids it to log in",
		"8: d@example.org; the password is locked (it begins with ! or *); the account gets none",
		"9: e@example.org; the password is locked (it begins with ! or *); the account gets none",
		"10: f@example.org sha512-crypt; the account is named as its field user= says; the short name does not log in",
		"11: g@example.org sha512-crypt; not taken over: user",
		"12: problem: the password hash: MD5-crypt: its key has not 22 characters",
		"13: problem: the password hash of scheme PLAIN-MD5: it is the password itself, or as good as that, which is accepted only where it is asked for",
		"14: j@example.org; the password is locked (it begins with ! or *); the account gets none",
		"15: last@example.org sha512-crypt",
	)
}

func TestPasswdFileWithDefaults(t *testing.T) {
	const text = "shop:1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU\n" +
		"info@example.net:" + "{SHA512-CRYPT}" + sha512 + "\n" +
		"bare:{PLAIN}correct horse\n" +
		"md5:5f4dcc3b5aa765d61d8327deb882cf99[34]\n" +
		"des:CHwrVt22qQr7o[13]\n"
	want(t, NewPasswdFile(strings.NewReader(text), Options{Domain: "example.org", Hashes: hash.Reader{Scheme: "SSHA", Plain: true}}),
		"1: shop@example.org SSHA",
		"2: info@example.net sha512-crypt",
		"3: bare@example.org PLAIN",
		"4: md5@example.org PLAIN-MD5",
		"5: problem: the password hash of scheme CRYPT: it names no scheme that is known; DES is not supported, nor are passwords as they are",
	)
}

func TestPasswdFileProblems(t *testing.T) {
	for text, want := range map[string]string{
		"shop@example.org":                                    "the line has no colon",
		"shop@example.org:":                                   "the password is empty",
		"shop@example.org:::::::nopassword":                   "nopassword would let everybody in",
		"shop:" + sha512:                                      "the user has no domain",
		":" + sha512:                                          "the user is empty",
		"@example.org:" + sha512:                              "the user is not a mail address",
		"a b@example.org:" + sha512:                           "the user is not a mail address",
		"shop@example.org:hunter2":                            "names no scheme",
		"shop@example.org:{PLAIN}hunter2":                     "only where it is asked for; --plain takes it",
		"shop@example.org:$2y$15$" + strings.Repeat("a", 53):  "15 doublings",
		"sh\xf6p@example.org:" + sha512:                       "not UTF-8",
		"shop@example.org:" + sha512 + "::\x00":               "a control character",
		"shop@example.org:" + sha512 + "::\r:":                "a control character",
		"shop@example.org:" + strings.Repeat("a", MaxLine):    "more than 16384 octets",
		"shop@example.org:" + strings.Repeat("a", 10*MaxLine): "more than 16384 octets",
		strings.Repeat(":", MaxLine):                          "the user is empty",
		"a:" + sha512 + "::::::user=b@c@d@" + ":":             "the user is not a mail address",
	} {
		entries := all(t, NewPasswdFile(strings.NewReader(text+"\nnext@example.org:"+sha512+"\n"), Options{}))
		if len(entries) != 2 || !strings.Contains(entries[0].Problem, want) || entries[1].Record == nil || entries[1].Line != 2 {
			t.Errorf("%.40q: %v, want %q and then a good line", text, entries, want)
			continue
		}
		if strings.Contains(entries[0].Problem, "hunter") || strings.Contains(entries[0].Problem, "adDb") {
			t.Errorf("the problem repeats the secret: %s", entries[0].Problem)
		}
	}
}

func TestLongestLine(t *testing.T) {
	start := "shop@example.org:" + sha512 + ":"
	for n, good := range map[int]bool{MaxLine: true, MaxLine + 1: false, MaxLine + 2: false, MaxLine + 3: false} {
		for _, end := range []string{"\n", "\r\n", ""} {
			text := start + strings.Repeat("g", n-len(start)) + end
			entries := all(t, NewPasswdFile(strings.NewReader(text), Options{}))
			if len(entries) != 1 || (entries[0].Record != nil) != good {
				t.Errorf("%d octets and %q: %d entries, %.60s", n, end, len(entries), show(entries[0]))
			}
		}
	}
}

// TestLongLineBehindMark has a first line that is too long but for the mark.
func TestLongLineBehindMark(t *testing.T) {
	text := byteOrderMark + "shop@example.org:" + sha512 + ":" + strings.Repeat("g", 2*MaxLine) + "\n"
	entries := all(t, NewPasswdFile(strings.NewReader(text), Options{}))
	if len(entries) != 1 || !strings.Contains(entries[0].Problem, "more than 16384 octets") {
		t.Errorf("%v", entries)
	}
}

func TestManyExtraFields(t *testing.T) {
	text := "shop@example.org:" + sha512 + "::::::" + strings.Repeat("x=1 ", 1000)
	e := all(t, NewPasswdFile(strings.NewReader(text), Options{}))[0]
	if e.Record == nil || len(e.Record.Remarks) != 1 || e.Record.Remarks[0] != "not taken over: x, x, x, x, x, x, x, x, x, x, and more" {
		t.Errorf("%s", show(e))
	}
}

func FuzzPasswdFile(f *testing.F) {
	f.Add("a@b.example:" + sha512 + "::::::allow_nets=::1 nologin\n\n#x\nb:{PLAIN}x\r\n:")
	f.Add("a@b.example:!\nc:*\x00\na:x[13]\na::")
	f.Fuzz(func(t *testing.T, text string) {
		o := Options{Domain: "example.org", Hashes: hash.Reader{Scheme: "PLAIN", Plain: true}}
		list, last := NewPasswdFile(strings.NewReader(text), o), 0
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			checkEntry(t, e, last)
			last = e.Line
		}
		if most := strings.Count(text, "\n") + 1; last > most {
			t.Fatalf("line %d of %d", last, most)
		}
	})
}

package roster

import (
	"errors"
	"io"
	"strings"
	"testing"

	"countersign/internal/account/hash"
	"countersign/internal/fault"
)

func TestCSV(t *testing.T) {
	const text = "\ufeffaddress,hash,password,aliases,plan,state,note\r\n" +
		"shop@example.org," + sha512 + ",,,,,\r\n" +
		"a@example.org,,\"correct \"\"horse\"\", battery\",\"info@example.org, b@example.org\",big,active,\"two\r\nlines, and\ta tab\"\r\n" +
		"\r\n" +
		"c@example.org,,,,,Suspended,\r\n" +
		"d@example.org,*,,x@example.org;y@example.org,,,,,\r\n" +
		"Grüße@example.org," + sha512 + ",,,,,Straße\r\n"
	want(t, newCSV(t, text, Options{}),
		"2: shop@example.org sha512-crypt",
		"3: a@example.org password=correct \"horse\", battery aliases=[info@example.org b@example.org] plan=big note=two lines, and a tab",
		"6: c@example.org suspended; the account has no password and cannot log in until it gets one",
		"7: d@example.org aliases=[x@example.org y@example.org]; the password is locked (it begins with ! or *); the account gets none",
		"8: Grüße@example.org sha512-crypt note=Straße",
	)
}

func TestCSVSeparators(t *testing.T) {
	for name, text := range map[string]string{
		"comma":       "address,plan,hash\nshop,big," + sha512 + "\n",
		"semicolon":   "Address; Plan ;hash\nshop; big ;" + sha512 + "\n",
		"tab":         "login\tplan\thash\nshop\tbig\t" + sha512,
		"sep":         "sep=;\r\nemail;plan;hash\r\nshop;big;" + sha512 + "\r\n",
		"empty lines": "\n\naddress;plan;hash\n\n\nshop;big;" + sha512 + "\n\n",
		"quoted":      "\"address\";\"plan\";\"hash\"\n\"shop\";\"big\";\"" + sha512 + "\"\n",
	} {
		entries := all(t, newCSV(t, text, Options{Domain: "example.org"}))
		if len(entries) != 1 || !strings.HasSuffix(show(entries[0]), ": shop@example.org sha512-crypt plan=big") {
			t.Errorf("%s: %v", name, entries)
		}
	}
	if entries := all(t, newCSV(t, "address\na@example.org\n", Options{})); len(entries) != 1 || entries[0].Record == nil {
		t.Errorf("one column: %v", entries)
	}
}

func TestCSVHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "the list is empty",
		"\n \n":                             "the list is empty",
		"plan,hash\n":                       "names no column address",
		"address;hunter2;plan\n":            "column 2 of the first line has a name",
		"hunter2;hash;address\n":            "column 1 of the first line has a name that is not known",
		"address,hash,hash\n":               "column 3 of the first line stands there twice",
		"address,email\n":                   "column 2 of the first line stands there twice",
		"shop@example.org,hunter2hunter2\n": "column 1 of the first line has a name",
		"address,\"hash\n":                  "the first line cannot be read",
		"sep=|\naddress|hash\n":             "the separator is none of",
		"sep=;\naddress,hash\n":             "not known",
		"sep=;\nsep=,\naddress,hash\n":      "not known",
		"\xff\xfea\x00d\x00":                "UTF-16",
		"\xfe\xff\x00a\x00d":                "UTF-16",
		"address,h\xe4sh\n":                 "not UTF-8",
		"address,\x00\n":                    "control character",
		strings.Repeat("a", MaxLine+1):      "too long to name columns",
		strings.Repeat("address,", 1000):    "column 2 of the first line stands there twice",
	} {
		_, err := NewCSV(strings.NewReader(text), Options{})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

func TestCSVProblems(t *testing.T) {
	hundred := strings.Repeat("x@example.org ", MaxAliases)
	for line, want := range map[string]string{
		"shop@example.org,hunter2":                                    "has 2 fields, the first line names 6",
		"shop@example.org,,,,,,x":                                     "has 7 fields",
		",,hunter2,,,":                                                "the address is empty",
		"shop,,hunter2,,,":                                            "the address has no domain; write it as name@domain, or name the domain of all such by --default-domain",
		"shop@,,hunter2,,,":                                           "the address is not a mail address",
		"shop@example.org,hunter2,,,,":                                "names no scheme",
		"shop@example.org," + sha512 + ",hunter2,,,":                  "both a password and a hash",
		"shop@example.org,," + sha512 + ",,,":                         "the password is a hash",
		"shop@example.org,,{SSHA}1qhPmKbBj5DRk77B0RXLhMx6qSceEvQU,,,": "the password is a hash",
		"shop@example.org,,{NONESUCH}hunter2,,,":                      "name the column hash",
		"shop@example.org,,{PLAIN}hunter2,,,":                         "name the column hash",
		"shop@example.org,,$6$hunter2,,,":                             "name the column hash",
		"shop@example.org,,$2y$hunter2,,,":                            "name the column hash",
		"shop@example.org,,$argon2id$hunter2,,,":                      "name the column hash",
		"shop@example.org,{PLAIN}hunter2,,,,":                         "only where it is asked for; --plain takes it",
		"shop@example.org,{NONESUCH}x,,,,":                            "a scheme NONESUCH that is not known; known are ARGON2",
		"shop@example.org,{hunter 2}x,,,,":                            "a scheme that is not known",
		"shop@example.org,{MD5-CRYPT}$1$hunter2,,,,":                  "of scheme MD5-CRYPT: MD5-crypt: ",
		"shop@example.org,," + strings.Repeat("a", 513) + ",,,":       "the password has 513 octets",
		"shop@example.org,,\"hunter2\n\",,,":                          "end of a line",
		"shop@example.org,,hunter2,info,,":                            "alias 1 has no domain",
		"shop@example.org,,hunter2,x@example.org @,,":                 "alias 2 is not a mail address",
		"shop@example.org,,hunter2," + hundred + "x@x.example,,":      "101 aliases, at most 100",
		"shop@example.org,,hunter2,,off,":                             "neither active nor suspended",
		"shop@example.org,,hunter2,,," + strings.Repeat("n", 513):     "the note has 513 octets",
		"shop@example.org,,hunter2,,,n\xf6":                           "not UTF-8",
		"shop@example.org,,hunter2,,,\x07":                            "control character",
		"shop@example.org,,hunter2,,,5\" disk":                        "quotes are not those of CSV",
		"shop@example.org,,hunter2,,,\"open":                          "quotes are not those of CSV",
		"shop@example.org,,hunter2,,,\"a\"b":                          "quotes are not those of CSV",
		"shop@example.org,," + strings.Repeat("a", MaxLine) + ",,,":   "more than 16384 octets",
	} {
		text := "address,hash,password,aliases,state,note\n" + line + "\nnext@example.org,,,,,\n"
		entries := all(t, newCSV(t, text, Options{}))
		if len(entries) != 2 || entries[0].Line != 2 || !strings.Contains(entries[0].Problem, want) || entries[1].Record == nil {
			t.Errorf("%.60q: %v, want %q and then a good line", line, entries, want)
			continue
		}
		if strings.Contains(entries[0].Problem, "hunter") || strings.Contains(entries[0].Problem, "adDb") {
			t.Errorf("the problem repeats the secret: %s", entries[0].Problem)
		}
	}
}

// TestQuoteThatNeverEnds spoils its own line alone, whatever follows.
func TestQuoteThatNeverEnds(t *testing.T) {
	good := "a@example.org,x\n"
	for name, after := range map[string]string{
		"few lines":    strings.Repeat(good, 3),
		"many lines":   strings.Repeat(good, 3*maxRecordLines),
		"two of them":  "b@example.org,\"x\ny\"z,\n" + strings.Repeat(good, 5),
		"two long":     "b@example.org,x\n" + strings.Repeat("n", MaxLine/2) + "\n" + strings.Repeat("n", MaxLine/2) + "\"\n" + good,
		"and a bare":   good + "b@example.org,5\" and 7\"\n" + strings.Repeat(good, 5),
		"another":      good + "b@example.org,\"y\n" + good,
		"a long line":  strings.Repeat("l", MaxLine+1) + "\n" + good,
		"much of text": strings.Repeat("a@example.org,"+strings.Repeat("n", 500)+"\n", 100),
	} {
		entries := all(t, newCSV(t, "address,note\nbad@example.org,\"never\n"+after, Options{}))
		if got, lines := len(entries), strings.Count(after, "\n")+1; got != lines {
			t.Errorf("%s: %d entries of %d lines", name, got, lines)
		}
		if entries[0].Problem == "" {
			t.Errorf("%s: %s", name, show(entries[0]))
		}
		for i, e := range entries {
			if e.Line != i+2 {
				t.Errorf("%s: entry %d is of line %d", name, i+1, e.Line)
			}
		}
	}
	most := "address,note\nshop@example.org,\"" + strings.Repeat("n\n", maxRecordLines-1) + "\"\n"
	if entries := all(t, newCSV(t, most, Options{})); len(entries) != 1 || entries[0].Record == nil {
		t.Errorf("the longest note: %v", entries)
	}
	more := strings.Replace(most, "n\n", "n\nn\n", 1)
	if entries := all(t, newCSV(t, more, Options{})); entries[0].Record != nil {
		t.Errorf("a longer one: %s", show(entries[0]))
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("address,hash,password,aliases,plan,state,note\na@b.example," + sha512 + ",,,,active,\"x\ny\"\n")
	f.Add("sep=;\nemail;password;alias\na;\"b\"\"\";c d,e\n\"\n;;\n")
	f.Add("address\tnote\na\t\"\n\"\n\"\n\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		o := Options{Domain: "example.org", Hashes: hash.Reader{Plain: true}}
		list, err := NewCSV(strings.NewReader(text), o)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		last := 0
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

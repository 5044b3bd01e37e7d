package phc

import "testing"

func TestParamsReadWhatTheyWrite(t *testing.T) {
	want := Params{MemoryKiB: 262144, Iterations: 16, Parallelism: 16}
	if want.String() != "m=262144,t=16,p=16" {
		t.Errorf("written as %s", want)
	}
	if p, err := ParseParams(want.String()); err != nil || p != want {
		t.Errorf("read as %s (%v)", p, err)
	}
}

func TestStrictParams(t *testing.T) {
	if _, err := ParseParams("m=64,t=1,p=1"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"order":              "t=1,m=64,p=1",
		"more parameters":    "m=64,t=1,p=1,data=AAAA",
		"leading zero":       "m=064,t=1,p=1",
		"sign":               "m=+64,t=1,p=1",
		"memory over cap":    "m=262145,t=1,p=1",
		"memory overflow":    "m=4294967360,t=1,p=1",
		"memory under lanes": "m=7,t=1,p=1",
		"passes over cap":    "m=64,t=17,p=1",
		"no pass":            "m=64,t=0,p=1",
		"lanes over cap":     "m=256,t=1,p=17",
		"lanes overflow":     "m=64,t=1,p=257",
		"no lane":            "m=64,t=1,p=0",
	} {
		if p, err := ParseParams(text); err == nil {
			t.Errorf("%s: read as %s", name, p)
		}
	}
}

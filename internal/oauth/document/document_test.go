package document

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	deep := strings.Repeat(`{"a":`, MaxDepth-1) + "[]" + strings.Repeat("}", MaxDepth-1)
	for _, good := range []string{`{}`, ` {"a":1} ` + "\n", `{"a":{"b":1},"c":{"b":1}}`, `{"a":"b","b":"a"}`, `{"a":["a","a",{"a":1}]}`, `{"a":1,"A":2}`, deep} {
		if _, err := Read([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	many := `{"a":[` + strings.Repeat("1,", MaxValues) + `1]}`
	for _, bad := range []string{
		"", " ", "null", "1", `"a"`, "[]", "[{}]", "{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1}{}`, `{"a":1} x`, `{"a":1}]`, "{\"a\":\"\xff\"}", "\ufeff{}",
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"x":{"a":1,"b":2,"a":3}}`, `{"x":[{"a":1,"a":1}]}`, `{"a":[1,2],"a":{}}`, `{"":1,"":2}`,
		`{"a":` + deep + `}`, strings.Repeat("[", 100_000), many, `{"a":01}`, `{"a":+1}`, `{"a":NaN}`, "{\"a\":\"\n\"}", `{"a":'b'}`, `{"a":1 /*x*/}`,
	} {
		if o, err := Read([]byte(bad)); err == nil || o != nil {
			t.Errorf("%.60q was read as %v", bad, o)
		} else if err.Error() != errForm.Error() {
			t.Errorf("the error quotes: %v", err)
		}
	}
}

func TestMembers(t *testing.T) {
	o, err := Read([]byte(`{"t":"x","e":"","n":5,"f":1.5,"z":-0,"big":1e999,"b":true,"no":false,"s":"true","null":null,"l":["a","b"],"m":["a",5],"none":[],"o":{},"in":[["a"]],"nil":[null]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"t": "x", "e": "", "s": "true"} {
		if text, there := o.Text(name); text != want || !there {
			t.Errorf("%s: %q, %v", name, text, there)
		}
	}
	for _, name := range []string{"n", "b", "null", "l", "o", "missing"} {
		if text, there := o.Text(name); text != "" || there {
			t.Errorf("%s is the text %q", name, text)
		}
	}
	for name, want := range map[string][]string{"t": {"x"}, "l": {"a", "b"}, "none": nil} {
		if texts, there := o.Texts(name); !reflect.DeepEqual(texts, want) || !there {
			t.Errorf("%s: %q, %v", name, texts, there)
		}
	}
	for _, name := range []string{"n", "m", "in", "nil", "o", "null", "missing"} {
		if texts, there := o.Texts(name); texts != nil || there {
			t.Errorf("%s is the texts %q", name, texts)
		}
	}
	for name, want := range map[string]float64{"n": 5, "f": 1.5, "z": 0} {
		if number, there := o.Number(name); number != want || !there {
			t.Errorf("%s: %v, %v", name, number, there)
		}
	}
	for _, name := range []string{"t", "big", "b", "null", "l", "missing"} {
		if _, there := o.Number(name); there {
			t.Errorf("%s is a number", name)
		}
	}
	for name, want := range map[string]bool{"b": true, "s": true, "no": false, "t": false, "n": false, "null": false, "missing": false} {
		if o.True(name) != want {
			t.Errorf("%s: True is %v", name, !want)
		}
	}
	if !o.Has("null") || o.Has("missing") || o.Has("T") {
		t.Error("Has is wrong")
	}
}

// FuzzRead: what is read is what encoding/json reads, and has every name once.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":{"b":[1,{"c":null}]}}`, `{"a":1,"a":2}`, `{"\ud800":"\udc00"}`, `{"a":1e99}`, "{\"\xff\":1}", `[{}]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Read(text)
		if err != nil {
			return
		}
		var plain map[string]json.RawMessage
		if json.Unmarshal(text, &plain) != nil || !reflect.DeepEqual(Object(plain), o) {
			t.Errorf("%q is read otherwise by encoding/json", text)
		}
		for name := range o {
			o.Text(name)
			o.Texts(name)
			o.Number(name)
			// Once more under the same name: never read.
			again := strings.TrimRight(string(text), " \t\r\n")
			again = again[:len(again)-1] + `,` + strconv.Quote(name) + `:1}`
			var quoted string
			if json.Unmarshal([]byte(strconv.Quote(name)), &quoted) != nil || quoted != name {
				continue // Go quotes some characters otherwise than JSON
			}
			if _, err := Read([]byte(again)); err == nil {
				t.Errorf("%q has a name twice", again)
			}
		}
	})
}

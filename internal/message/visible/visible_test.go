package visible

import "testing"

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"\uff43\uff45\uff4f\uff20bank\ufe52example": "ceo@bank.example",
		"ceo\u2009@\u200abank\u2800.\u202fexample":  "ceo@bank.example",
		"a b\u00a0c\u3000d\te":                      "a b c d e",
		"a\ua4f8b\u00b7c\u0701d\u3002e":             "a.b.c.d.e",
		"col\u00b7legi l\u00b7a a\u00b7l":           "col\u00b7legi l.a a.l",
		"so\u00adft\u200b":                          "soft",
	} {
		if got, ok := Text(text); got != want || !ok {
			t.Errorf("%+q shows %+q, %t", text, got, ok)
		}
	}
	for _, bad := range []string{"a\x00b", "a\vb", "a\u2028b", "a\u0085", "\u202eb", "\u2066", "\ufff9"} {
		if _, ok := Text(bad); ok {
			t.Errorf("%+q does not mislead", bad)
		}
	}
}

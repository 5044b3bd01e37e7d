package encoded

import "testing"

func TestDecode(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "=?utf-8?q?J=C3=B6e?=": "Jöe", "a=?utf-8?B?YQ==?=b": "aab", "=?utf-8?q?a?= \t =?utf-8?q?_b?=": "a b",
		"=?iso-8859-1*de?q?=FC?=": "ü", "=?utf-8?x?a?=": "=?utf-8?x?a?=", "=?utf-8?q?a": "=?utf-8?q?a", "=?": "=?", "=?us-ascii?Q?a=3Fb?=": "a?b",
		"=?no-such?q?a?=": "", "=?utf-8?b?*?=": "", "=?utf-8?q?=F?=": "",
	} {
		got, err := Decode(in)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	if w, ok := Cut("=?utf-8?Q?a_b?= c"); !ok || w.Size != len("=?utf-8?Q?a_b?=") || w.Method != 'q' || w.Charset != "utf-8" || w.Text != "a_b" {
		t.Errorf("%+v, %v", w, ok)
	}
}

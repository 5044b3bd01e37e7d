package directory

import "testing"

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "192.0.2.7/24": "192.0.2.0/24", "0.0.0.0/0": "0.0.0.0/0",
		"2001:db8::1": "2001:db8::1/128", "2001:DB8::1/32": "2001:db8::/32",
		"::ffff:192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7/120": "192.0.2.0/24",
	} {
		if got, err := ParseNetwork(text); err != nil || got.String() != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "local", "192.0.2", "192.0.2.1/33", "fe80::1%eth0", "::ffff:192.0.2.7/95", "192.0.2.1/24/1", " 192.0.2.1"} {
		if got, err := ParseNetwork(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

package loading

import (
	"slices"
	"strings"
	"testing"
)

// TestFilter: what is not written has its default, and filters serve the listeners that they name.
func TestFilter(t *testing.T) {
	c := loaded(t, small+"\n[[filter]]\nname = \"f\"\naddress = \"unix:/run/f.sock\"\n[[filter]]\nname = \"g\"\naddress = \"tcp:[::1]:7357\"\nlisteners = [\"submission\"]\nmay = []\n")
	f, g := &c.Filters[0], &c.Filters[1]
	if network, address := f.Place(); network != "unix" || address != "/run/f.sock" {
		t.Errorf("%s %s", network, address)
	}
	if network, address := g.Place(); network != "tcp" || address != "[::1]:7357" {
		t.Errorf("%s %s", network, address)
	}
	if f.WhenAway != "closed" || !slices.Equal(f.May, []string{"headers"}) || f.Shadow || len(g.May) != 0 {
		t.Errorf("%+v, %+v", f, g)
	}
	if !f.Serves("submission") || !f.Serves("any") || !g.Serves("submission") || g.Serves("any") {
		t.Error("a filter serves other listeners than it names")
	}
}

// TestFilterWarnings: what is odd and not wrong.
func TestFilterWarnings(t *testing.T) {
	for text, warned := range map[string]string{
		"address = \"tcp:192.0.2.7:11332\"":                              "messages pass unencrypted to 192.0.2.7",
		"address = \"tcp:filter.example.net:11332\"":                     "messages pass unencrypted to filter.example.net",
		"address = \"tcp:127.0.0.1:1\"\ntimeout = \"2m\"":                "1m ends a command before its own time of 2m",
		"address = \"tcp:localhost:1\"\ntotal_timeout = \"5m\"":          "",
		"address = \"tcp:[::1]:1\"":                                      "",
		"address = \"unix:/run/f.sock\"":                                 "",
		"address = \"tcp:127.0.0.1:1\"\nshadow = true\nmay = [\"body\"]": "",
	} {
		_, warnings, err := Load(writeFile(t, t.TempDir(), "countersign.toml", small+"\n[[filter]]\nname = \"f\"\n"+text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var all []string
		for _, w := range warnings {
			if strings.Contains(w.String(), "filter") {
				all = append(all, w.String())
			}
		}
		got := strings.Join(all, "\n")
		if (warned == "") != (got == "") || !strings.Contains(got, warned) {
			t.Errorf("%s: %q, want %q", text, got, warned)
		}
	}
}

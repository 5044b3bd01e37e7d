package argument

import (
	"encoding"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestCredential tells ids, which have capitals, from names, which have none.
func TestCredential(t *testing.T) {
	for text, want := range map[string]Credential{
		"01M8DH7Q7KFV8ZMPC5XW7Q3SG5": {ID: "01M8DH7Q7KFV8ZMPC5XW7Q3SG5"}, "phone": {Name: "phone"}, "01m8dh7q7kfv8zmpc5xw7q3sg5": {Name: "01m8dh7q7kfv8zmpc5xw7q3sg5"},
	} {
		var c Credential
		if err := c.UnmarshalText([]byte(text)); err != nil || c != want {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "Phone", "a b", "01M8DH7Q7KFV8ZMPC5XW7Q3SG"} {
		if err := new(Credential).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q names a credential", text)
		}
	}
}

func TestDomain(t *testing.T) {
	for text, want := range map[string]string{"EXAMPLE.org": "example.org", "example.org.": "example.org", "Bücher.example.": "xn--bcher-kva.example"} {
		var d Domain
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, d, err, want)
		}
	}
	for _, text := range []string{"", ".", "example.org..", "[192.0.2.1].", ".example.org."} {
		if err := new(Domain).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a domain", text)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-19T10:00:00Z":      "2026-11-19T10:00:00Z",
		"2026-11-19T10:00:00+02:00": "2026-11-19T08:00:00Z",
		"2026-11-19":                "2026-11-19T00:00:00Z",
		"2h":                        "2026-11-20T08:30:00Z",
		"1h30m":                     "2026-11-20T09:00:00Z",
		"7d":                        "2026-11-13T10:30:00Z",
		"0s":                        "2026-11-20T10:30:00Z",
	} {
		var at Time
		if err := at.UnmarshalText([]byte(text)); err != nil || !at.IsSet() {
			t.Errorf("%s: %v", text, err)
		}
		if got := at.Of(now).Format(time.RFC3339); got != want {
			t.Errorf("%s is %s", text, got)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "2026-13-01", "10:00"} {
		if err := new(Time).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "is not a time") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if none := (Time{}); none.IsSet() || !none.Of(now).IsZero() {
		t.Error("no time is one")
	}
}

// TestTexts reads texts of the other types, "" standing for a mistake.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		into encoding.TextUnmarshaler
		text string
		want string
	}{
		{new(State), "HELD", "&{held}"},
		{new(State), "lost", ""},
		{new(State), "", ""},
		{new(Size), "25MB", "25MB"},
		{new(Size), "25XB", ""},
		{new(Network), "192.0.2.1", "192.0.2.1/32"},
		{new(Network), "::ffff:192.0.2.1", "192.0.2.1/32"},
		{new(Network), "192.0.2.77/24", ""},
		{new(Network), "192.0.2.0/24", "192.0.2.0/24"},
		{new(Network), "2001:db8::/32", "2001:db8::/32"},
		{new(Network), "192.0.2", ""},
		{new(Network), "fe80::1%eth0", ""},
		{new(Address), "A@Example.org", "A@example.org"},
		{new(Address), "example.org", ""},
		{new(Domain), "Example.org", "example.org"},
		{new(Domain), "a..b", ""},
		{new(Grant), "@example.org", "@example.org"},
		{new(Grant), "example.org", ""},
		{new(ID), "01k000000000000000000f1rst", "01K000000000000000000F1RST"},
		{new(ID), "1", ""},
		{new(ID), "https://mail.example.net/help/limit-reached?id=01K000000000000000000F1RST", "01K000000000000000000F1RST"},
		{new(ID), "https://mail.example.net/help/limit-reached?id=", ""},
		{new(Delivery), "https://mail.example.net/help/limit-reached?id=01K000000000000000000F1RST", "&{01K000000000000000000F1RST 0}"},
		{new(Delivery), "01K000000000000000000F1RST/2", "&{01K000000000000000000F1RST 2}"},
		{new(Delivery), "01K000000000000000000F1RST", "&{01K000000000000000000F1RST 0}"},
		{new(Delivery), "01K000000000000000000F1RST/0", ""},
	} {
		err := c.into.UnmarshalText([]byte(c.text))
		if got := fmt.Sprint(c.into); (err == nil) != (c.want != "") || err == nil && got != c.want {
			t.Errorf("%T of %q is %s, %v", c.into, c.text, got, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"90d":                  now.Add(90 * 24 * time.Hour),
		"2027-01-31":           time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T18:00:00Z": time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC),
		"never":                {},

		"2027-01-31T18:00+01:00":    time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC),
		"2027-01-31 18:00":          time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC),
		"2027-01-31 18:00:07":       time.Date(2027, 1, 31, 18, 0, 7, 0, time.UTC),
		"2027-01-31 18:00:07Z":      time.Date(2027, 1, 31, 18, 0, 7, 0, time.UTC), // as tables have it
		"2027-01-31 18:00:07-02:30": time.Date(2027, 1, 31, 20, 30, 7, 0, time.UTC),
		"2027-01-31T18:00":          time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC),

		"midnight": time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
	} {
		var e Expiry
		if err := e.UnmarshalText([]byte(in)); err != nil || !e.IsSet() || !e.Of(now).Equal(want) {
			t.Errorf("%s is %v (%v)", in, e.Of(now), err)
		}
	}
	var at Expiry
	if err := at.UnmarshalText([]byte("midnight")); err != nil || !at.Of(now.Truncate(24*time.Hour)).Equal(now.Truncate(24*time.Hour).Add(24*time.Hour)) {
		t.Errorf("at midnight, midnight is %v (%v)", at.Of(now.Truncate(24*time.Hour)), err)
	}
	for _, in := range []string{"", "90", "-1d", "0s", "soon", "2027-13-01", "Midnight", "18:00", "tomorrow", "2027-01-31 ", "2027-01-31 25:00", "2027-01-31  18:00", "2027-01-31 18"} {
		if err := new(Expiry).UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
	if (Expiry{}).IsSet() {
		t.Error("what was not given is set")
	}
}

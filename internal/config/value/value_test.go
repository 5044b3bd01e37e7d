package value

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reader is a value under test.
type reader interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// checkTexts reads each text and compares how it prints, "" for an error.
func checkTexts(t *testing.T, fresh func() reader, cases map[string]string) {
	t.Helper()
	for text, want := range cases {
		v := fresh()
		err := v.UnmarshalText([]byte(text))
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was read as %s", text, v)
		case want != "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && v.String() != want:
			t.Errorf("%q is %s, want %s", text, v, want)
		}
	}
}

func TestDuration(t *testing.T) {
	checkTexts(t, func() reader { return new(Duration) }, map[string]string{
		"5m": "5m", "90s": "1m30s", "5d": "5d", "1d12h": "1d12h", "36h": "1d12h", "250ms": "250ms",
		"0": "0s", "0s": "0s", "0d": "0s", "1h0m1s": "1h1s",
		"": "", "5": "", "d": "", "-1s": "", "1.5d": "", "5d ": "", "1d-1h": "", "5 m": "", "forever": "",
		"99999999999d": "", "9999999h": "",
	})
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Duration(rapid.Int64Range(0, int64(1000*day)).Draw(t, "d"))
		var got Duration
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d printed as %s reads as %d, %v", want, want, got, err)
		}
	})
}

func TestSize(t *testing.T) {
	checkTexts(t, func() reader { return new(Size) }, map[string]string{
		"64KiB": "64KiB", "50MB": "50MB", "65536": "64KiB", "1000": "1KB", "1024 KB": "1000KiB", "25mb": "25MB",
		"2GiB": "2GiB", "0": "0", "7B": "7B",
		"": "", "B": "", "KiB": "", "-1": "", "1.5MB": "", "64 Kilo": "", "9999999999GiB": "", "0x10": "",
	})
}

func TestSizeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "s"))
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d printed as %s reads as %d, %v", want, want, got, err)
		}
	})
}

func TestPrefix(t *testing.T) {
	checkTexts(t, func() reader { return new(Prefix) }, map[string]string{
		"192.0.2.7": "192.0.2.7", "192.0.2.0/24": "192.0.2.0/24", "2001:db8::/32": "2001:db8::/32", "::1": "::1",
		"::ffff:192.0.2.7": "192.0.2.7",
		"192.0.2.7/24":     "", "192.0.2.0/33": "", "fe80::1%eth0": "", "": "", "example.net": "",
	})
}

func TestResolver(t *testing.T) {
	checkTexts(t, func() reader { return new(Resolver) }, map[string]string{
		"127.0.0.1": "127.0.0.1:53", "127.0.0.1:5353": "127.0.0.1:5353", "::1": "[::1]:53", "[::1]:54": "[::1]:54",
		"127.0.0.1:0": "", "localhost:53": "", "": "",
	})
}

func TestNextHop(t *testing.T) {
	checkTexts(t, func() reader { return new(NextHop) }, map[string]string{
		"mx": "mx", "smtp://relay.example": "smtp://relay.example:25", "smtps://relay.example/": "smtps://relay.example:465",
		"smtp://[2001:db8::1]:587": "smtp://[2001:db8::1]:587", "smtp://192.0.2.1:2525": "smtp://192.0.2.1:2525",
		"": "", "MX": "", "relay.example": "", "relay.example:25": "", "http://relay.example": "", "smtp://": "", "smtp://:25": "",
		"smtp://relay.example:0": "", "smtp://relay.example:65536": "", "smtp://relay.example/path": "",
		"smtp://relay.example?tls=no": "", "smtp://user:word@relay.example": "",
	})
	if err := new(NextHop).UnmarshalText([]byte("smtp://user:word@relay.example:x")); err == nil || strings.Contains(err.Error(), "word") {
		t.Errorf("the error is %v", err)
	}
	if !(NextHop{}).IsMX() {
		t.Error("the zero NextHop is not the MX")
	}
}

// TestSecretIsMasked prints a secret in every way that one gets into a log.
func TestSecretIsMasked(t *testing.T) {
	holder := struct{ Password Secret }{"hunter2"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "plain", holder.Password, "struct", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "plain", holder.Password, "struct", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x", holder, holder, holder, holder.Password, holder.Password, holder.Password) + string(encoded) + log.String()
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e74657232") || !strings.Contains(shown, mask) {
		t.Errorf("shown: %s", shown)
	}
	if holder.Password.Reveal() != "hunter2" || Secret("").String() != "" {
		t.Error("Reveal or an empty secret is wrong")
	}
}

// TestStd keeps the plain forms right.
func TestStd(t *testing.T) {
	if Duration(time.Minute).Std() != time.Minute || Size(7).Bytes() != 7 {
		t.Error("the plain forms differ")
	}
}

package obs

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
)

func TestSecretKey(t *testing.T) {
	for key, want := range map[string]bool{
		"password": true, "Password": true, "smtp_password": true, "old-passwd": true,
		"secret": true, "client.secret": true, "token": true, "tokens": true, "Authorization": true,
		"body": true, "message_body": true, "api_key": true, "ApiKey": true, "private-key": true,
		"password_hash": true, "set-cookie": true, "sealing_key": true,
		"": false, "_": false, "err": false, "client": false, "key": false, "code": false,
		"password_file": false, "body_bytes": false, "token_id": false, "session": false,
		"file": false, "passes": false,
	} {
		if got := secretKey(key); got != want {
			t.Errorf("secretKey(%q) = %v, want %v", key, got, want)
		}
	}
}

// withSecret is logged by somebody who forgot what is in it.
type withSecret struct{ Password string }

func TestLoggerNeverShowsSecrets(t *testing.T) {
	const secret = "hunter2"
	log := func(l *slog.Logger) {
		l.Info("plain", "password", secret)
		l.With("token", secret).Info("with")
		l.WithGroup("authorization").Info("group", "value", secret)
		l.Info("nested", slog.Group("a", slog.Group("b", slog.String("client_secret", secret))))
		l.Info("nested group", slog.Group("secret", slog.String("x", secret)))
		l.Info("struct", "config", withSecret{secret}, "pointer", &withSecret{secret})
		l.Info("content", "data", []byte(secret), "map", map[string]string{"x": secret})
		l.Info("time key", "time", withSecret{secret}, "level", withSecret{secret})
		l.Info("number", "password", 98765432123)
	}
	for _, format := range []Format{FormatText, FormatJSON} {
		var out bytes.Buffer
		log(NewLogger(&out, slog.LevelInfo, format))
		if strings.Contains(out.String(), secret) || strings.Contains(out.String(), "98765432123") {
			t.Errorf("%s shows a secret:\n%s", format, out.String())
		}
		if n := strings.Count(out.String(), "\n"); n != 9 {
			t.Errorf("%s has %d lines for 9 events:\n%s", format, n, out.String())
		}
		if !strings.Contains(out.String(), masked) || !strings.Contains(out.String(), "[obs.withSecret]") {
			t.Errorf("%s does not say that something was left out:\n%s", format, out.String())
		}
	}
}

func TestLoggerShowsTheRest(t *testing.T) {
	var out bytes.Buffer
	l := NewLogger(&out, slog.LevelInfo, FormatJSON)
	l.Warn("refused", "client", netip.MustParseAddr("192.0.2.1"), "code", 535, "ok", true,
		"took", 2*time.Second, "err", fault.New("x.y", fault.Denied, "no"), "list", []string{"a", "b"},
		"text", "line\r\nforged=1", "kind", fault.Busy, "none", nil)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("not one JSON object: %v\n%s", err, out.String())
	}
	want := map[string]any{
		"level": "WARN", "msg": "refused", "client": "192.0.2.1", "code": 535.0, "ok": true,
		"took": 2e9, "err": "x.y: no", "list": "a,b", "text": "line\r\nforged=1", "kind": "busy", "none": "",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %#v, want %#v", k, got[k], v)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, got["time"].(string)); err != nil {
		t.Errorf("time: %v", err)
	}
}

func TestLoggerCutsLongValues(t *testing.T) {
	long := strings.Repeat("é", maxLogValue)
	got := cut("x" + long)
	if len(got) > maxLogValue+len("[cut]") || !strings.HasSuffix(got, "é[cut]") {
		t.Errorf("cut to %d octets ending in %q", len(got), got[len(got)-8:])
	}
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, FormatText).Error("x", "err", errors.New(long), "s", long)
	if out.Len() > 3*maxLogValue {
		t.Errorf("a line of %d octets", out.Len())
	}
}

func TestLevelCanChange(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	l := NewLogger(&out, &level, FormatText)
	l.Debug("first")
	debug, err := ParseLevel("debug")
	if err != nil {
		t.Fatal(err)
	}
	level.Set(debug)
	l.Debug("second")
	if s := out.String(); strings.Contains(s, "first") || !strings.Contains(s, "msg=second") {
		t.Errorf("log: %s", s)
	}
}

func TestParse(t *testing.T) {
	for _, s := range []string{"debug", "info", "warn", "error"} {
		l, err := ParseLevel(s)
		if err != nil || !strings.EqualFold(l.String(), s) {
			t.Errorf("ParseLevel(%q) = %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"text", "json"} {
		if f, err := ParseFormat(s); err != nil || string(f) != s {
			t.Errorf("ParseFormat(%q) = %q, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "INFO", "trace"} {
		if _, err := ParseLevel(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseLevel(%q): %v", s, err)
		}
		if _, err := ParseFormat(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseFormat(%q): %v", s, err)
		}
	}
}

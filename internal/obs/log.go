package obs

import (
	"encoding"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"countersign/internal/fault"
)

// Format is the form of log lines.
type Format string

// The formats: key=value pairs, or one JSON object a line.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

const (
	// masked stands for a value that must not be logged.
	masked = "[masked]"
	// maxLogValue bounds one value in octets; a stack trace fits.
	maxLogValue = 8 << 10
)

// ParseFormat reads "text" or "json"; any other is Invalid.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case FormatText, FormatJSON:
		return f, nil
	}
	return "", fault.New("obs.format", fault.Invalid, "log format %q is not %q or %q", s, FormatText, FormatJSON)
}

// ParseLevel reads "debug", "info", "warn" or "error"; any other is Invalid.
func ParseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fault.New("obs.level", fault.Invalid, "log level %q is not debug, info, warn or error", s)
}

// NewLogger returns a logger that writes one line for each event to w, which
// need not be safe for concurrent use. level can be changed while it is used.
// A format other than FormatJSON means text. Values under the name of a secret
// or of content are masked; values of structured types are left out, since
// nobody can see from the call what is in them; long values are cut.
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if format == FormatJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// redact is applied to every attribute that is not a group.
func redact(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && builtIn(a) {
		return a
	}
	if secretKey(a.Key) {
		return slog.String(a.Key, masked)
	}
	for _, g := range groups {
		if secretKey(g) {
			return slog.String(a.Key, masked)
		}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(cut(a.Value.String()))
	case slog.KindAny:
		a.Value = slog.StringValue(cut(describe(a.Value.Any())))
	}
	return a
}

// builtIn tells the handler's own attributes from those of a caller.
func builtIn(a slog.Attr) bool {
	switch a.Key {
	case slog.TimeKey:
		return a.Value.Kind() == slog.KindTime
	case slog.LevelKey:
		_, ok := a.Value.Any().(slog.Level)
		return ok
	}
	return false
}

// describe puts a value into words if its type says how, and otherwise names
// the type only.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return "[" + err.Error() + "]"
		}
		return string(text)
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprintf("[%T]", v)
}

// cut shortens s to maxLogValue octets, at a whole character.
func cut(s string) string {
	if len(s) <= maxLogValue {
		return s
	}
	end := maxLogValue
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "[cut]"
}

// secretStems mark a key whose value is a secret or content. They are looked
// for in the key without its separators, so "api-key" and "ApiKey" match.
func secretStems() []string {
	return []string{
		"password", "passwd", "passphrase", "secret", "token", "authorization",
		"cookie", "privatekey", "apikey", "sealingkey", "saslresponse", "body",
	}
}

// harmlessEnds mark a key that only tells something about a secret or content:
// where it is, how long, how many.
func harmlessEnds() []string {
	return []string{"file", "path", "bytes", "size", "count", "id", "age", "expiry"}
}

// secretKey tells whether values under key must not be logged.
func secretKey(key string) bool {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r == ' '
	})
	if len(words) == 0 {
		return false
	}
	if len(words) > 1 {
		for _, end := range harmlessEnds() {
			if words[len(words)-1] == end {
				return false
			}
		}
	}
	joined := strings.Join(words, "")
	for _, stem := range secretStems() {
		if strings.Contains(joined, stem) {
			return true
		}
	}
	return false
}

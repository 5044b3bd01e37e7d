package audit

import (
	"log/slog"
	"maps"
	"slices"
)

// LogAttrs returns what an event says, under the stable keys of the log:
// session, submission, delivery, account, actor, client, object, code,
// enhanced, reason, text, then the event's data in the order of its keys. What
// is empty is left out, and so is data under one of the keys before it. The
// kind is the message of the line.
func LogAttrs(e Event) []slog.Attr {
	attrs := make([]slog.Attr, 0, 8+len(e.Data))
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	number := func(key string, value int) {
		if value != 0 {
			attrs = append(attrs, slog.Int(key, value))
		}
	}
	text("session", string(e.Session))
	text("submission", string(e.Submission))
	number("delivery", e.Delivery)
	text("account", e.Login)
	text("actor", e.Actor)
	text("client", e.Client)
	text("object", e.Object)
	number("code", e.Code)
	text("enhanced", e.Enhanced)
	text("reason", e.Reason)
	text("text", e.Text)
	own := len(attrs)
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		same := func(a slog.Attr) bool { return a.Key == key }
		if !slices.ContainsFunc(attrs[:own], same) {
			text(key, e.Data[key])
		}
	}
	return attrs
}

// Level is how loud the log line of an event is: faults of ours are errors,
// all else is what a gate does all day.
func Level(k Kind) slog.Level {
	switch k {
	case SessionPanicked:
		return slog.LevelError
	case DeliveryFailed, SessionTLSFailed, NodeLost:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

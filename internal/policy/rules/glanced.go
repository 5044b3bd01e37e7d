package rules

import (
	"net/netip"
	"time"

	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"countersign/internal/policy/rules/glance"
)

// glanced is what of the names and functions a glance knows; the rest is for CEL alone.
func glanced() *glance.Words[Facts] {
	w := &glance.Words[Facts]{
		Texts: map[string]glance.Text[Facts]{}, Numbers: map[string]glance.Number[Facts]{},
		Changes: map[string]func(string) string{"text_domain": domain, "text_local": local, "text_lower": lower},
		Fields:  map[glance.Call]func(string) glance.Text[Facts]{{Variable: "message.header", Overload: "header_first"}: firstField},
		Counts: map[glance.Call]func(string) glance.Number[Facts]{
			{Variable: "message.header", Overload: "header_count"}:            fieldCount,
			{Variable: "now", Overload: overloads.TimestampToHours}:           clock(time.Time.Hour),
			{Variable: "now", Overload: overloads.TimestampToHoursWithTz}:     clock(time.Time.Hour),
			{Variable: "now", Overload: overloads.TimestampToDayOfWeek}:       clock(weekday),
			{Variable: "now", Overload: overloads.TimestampToDayOfWeekWithTz}: clock(weekday),
		},
		Tests: map[glance.Call]func(string) func(*Facts) bool{{Variable: "connection.client", Overload: "address_in_network"}: inNetwork},
	}
	for _, v := range variables {
		if v.read.Read != nil {
			w.Texts[v.name] = v.read
		}
		switch {
		case v.count == nil:
		case v.kind.Kind() == types.ListKind:
			w.Counts[glance.Call{Variable: v.name, Overload: overloads.SizeListInst}] = func(string) glance.Number[Facts] { return v.count }
		default:
			w.Numbers[v.name] = v.count
		}
	}
	return w
}

// firstField reads the first field of a name.
func firstField(name string) glance.Text[Facts] {
	return glance.Text[Facts]{Late: true, Read: func(f *Facts) (string, bool) { return header{f.Message.Header}.first(name), true }}
}

// fieldCount counts the fields of a name.
func fieldCount(name string) glance.Number[Facts] {
	return func(f *Facts) (int64, bool) { return int64(header{f.Message.Header}.count(name)), true }
}

// clock reads a part of the time in a zone, which CEL would look up each time; "" is UTC.
func clock(part func(time.Time) int) func(string) glance.Number[Facts] {
	return func(name string) glance.Number[Facts] {
		zone, err := time.LoadLocation(name)
		if err != nil {
			return nil // such as "+01:00"
		}
		return func(f *Facts) (int64, bool) { return int64(part(f.Now.In(zone))), true }
	}
}

// weekday is 0 on Sundays.
func weekday(t time.Time) int { return int(t.Weekday()) }

// inNetwork tests whether the client is in a network.
func inNetwork(text string) func(*Facts) bool {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return nil
	}
	return func(f *Facts) bool { return network.Contains(client(f)) }
}

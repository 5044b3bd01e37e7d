package record

import (
	"encoding/json"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/store/sqlkit"
)

// InsertSQL stores one event.
const InsertSQL = `INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object,
    code, enhanced, reason, text, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Bind binds the arguments of InsertSQL for each event, within the bounds of
// audit.Bounded.
func Bind(events []audit.Event) ([]sqlkit.Values, error) {
	all := make([]sqlkit.Values, 0, len(events))
	for i := range events {
		e := audit.Bounded(events[i])
		data, err := Data(e.Data)
		if err != nil {
			return nil, err
		}
		all = append(all, sqlkit.Bind(e.At, string(e.Kind), e.Session, e.Submission, e.Delivery, e.Login, e.Actor, e.Client, e.Object,
			e.Code, e.Enhanced, e.Reason, e.Text, data))
	}
	return all, nil
}

// Data is how the data of an event is stored: as a JSON object, "" for none.
// NUL, which not every engine finds again in JSON, becomes U+FFFD.
func Data(data map[string]string) (string, error) {
	if len(data) == 0 {
		return "", nil
	}
	clean := data
	for key, value := range data {
		if strings.IndexByte(key+value, 0) >= 0 {
			clean = withoutNUL(data)
			break
		}
	}
	text, err := json.Marshal(clean)
	return string(text), err
}

func withoutNUL(data map[string]string) map[string]string {
	clean := make(map[string]string, len(data))
	for key, value := range data {
		clean[strings.ReplaceAll(key, "\x00", "\ufffd")] = strings.ReplaceAll(value, "\x00", "\ufffd")
	}
	return clean
}

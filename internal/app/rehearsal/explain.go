package rehearsal

import (
	"context"
	"strings"
	"time"

	"countersign/internal/app"
	"countersign/internal/app/panel"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/web/api/resource"
)

// Explain rehearses a message that the API is asked about, by the books of the gate that answers. It is
// app.Options.Explain; errors are those of Message. Content filters are not asked: what a client of the
// API makes up of a message and of its sender is no mail for them to learn from.
func Explain(ctx context.Context, cfg *config.Config, store app.Store, books panel.Books, q resource.Question) (*resource.Verdict, error) {
	author := q.From
	if author.IsNull() {
		own, err := mail.ParseAddress(q.Login)
		if err != nil {
			return nil, err
		}
		author = own
	}
	question := Question{
		Login: q.Login, Credential: q.Credential, Listener: q.Listener, Client: q.Client, Hello: q.Hello, From: q.From, To: q.To, Message: Plain(author, q.To, time.Now()),
		Place: q.Place, Books: &books, Unfiltered: true,
	}
	if q.Message != "" {
		question.Message = strings.NewReader(q.Message)
	}
	s, err := Message(ctx, cfg, store, question)
	if err != nil {
		return nil, err
	}
	v := &resource.Verdict{Verdict: s.Verdict, Reason: s.Reason, Recipients: s.Recipients, Steps: []resource.Step{}, Client: q.Client.String(), Unasked: append([]string{}, s.Unasked...)}
	if !s.Until.IsZero() {
		v.Until = &s.Until
	}
	for _, at := range s.Steps {
		v.Steps = append(v.Steps, resource.Step(at))
	}
	for _, e := range s.Events {
		v.Events = append(v.Events, resource.Event{Kind: string(e.Kind), Reason: e.Reason, Text: e.Text, Data: e.Data})
	}
	return v, nil
}

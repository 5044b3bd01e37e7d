package limits

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
)

// slow is a record that takes long to read.
type slow struct {
	Store
	takes time.Duration
}

func (s slow) Search(ctx context.Context, _ audit.Query) ([]audit.Event, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(s.takes):
		return nil, nil
	}
}

func (slow) Domain(context.Context, mail.Domain) (account.Domain, error) {
	return account.Domain{Customer: "acme"}, nil
}

// served is the API on a record of which each look takes so long.
type served struct {
	handler *api.Handler
	tokens  map[string]string
}

func serve(takes time.Duration) *served {
	ids := new(mail.IDSource)
	s := &served{tokens: map[string]string{}, handler: api.New(api.Options{
		Table: Rows(Options{Store: slow{takes: takes}, IDs: ids, Now: time.Now}), IDs: ids, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})}
	var set client.Set
	for name, customers := range map[string][]string{"operator": nil, "one": {"acme"}, "other": {"acme"}} {
		s.tokens[name] = client.NewToken()
		set = append(set, client.New(client.Options{Name: name, Token: s.tokens[name], Customers: customers, May: client.Permissions(), PerMinute: 1000}))
	}
	s.handler.SetClients(set)
	return s
}

// answer is one that may not be there yet: it is looked at once it has ended.
type answer struct {
	*httptest.ResponseRecorder
	ended atomic.Bool
}

// asks has a client simulate a limit of its domain, and returns where the answer will be.
func (s *served) asks(who, measured string) *answer {
	r := httptest.NewRequest(http.MethodPost, api.Prefix+"/limits/simulations", strings.NewReader(`{"for":{"domain":"example.org"},"limits":["`+measured+`=5"]}`))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Authorization", "Bearer "+s.tokens[who])
	r.Header.Set("Content-Type", "application/json")
	out := &answer{ResponseRecorder: httptest.NewRecorder()}
	go func() {
		s.handler.ServeHTTP(out, r)
		out.ended.Store(true)
	}()
	synctest.Wait()
	return out
}

// TestOneRemembersAtATime: of simulations that remember whom messages went to one runs at a time, whoever
// asks: another client with customers is told so, the operator waits. Other limits are simulated meanwhile.
func TestOneRemembersAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(2 * time.Second)
		const remembers, other = "new-recipients/day", "messages/day"
		first := s.asks("one", remembers)
		second := s.asks("other", remembers)
		if second.Code != http.StatusServiceUnavailable || second.Header().Get("Retry-After") == "" || !strings.Contains(second.Body.String(), "another simulation of new recipients is running") {
			t.Errorf("a second one: %d %s", second.Code, second.Body)
		}
		beside, waiting := s.asks("other", other), s.asks("operator", remembers)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if first.Body.Len() == 0 || beside.Code != http.StatusOK || beside.Body.Len() == 0 {
			t.Errorf("the first: %d %s; of other limits: %d %s", first.Code, first.Body, beside.Code, beside.Body)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if waiting.Code != http.StatusOK || waiting.Body.Len() == 0 {
			t.Errorf("the operator: %d %s", waiting.Code, waiting.Body)
		}
		again := s.asks("other", remembers)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if again.Code != http.StatusOK || again.Body.Len() == 0 {
			t.Errorf("the place is not free again: %d %s", again.Code, again.Body)
		}
	})
}

// TestOperatorWaitsNotForEver: where the place does not become free the operator is told, too.
func TestOperatorWaitsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(30 * time.Second)
		s.asks("one", "new-recipients/day")
		waiting := s.asks("operator", "new-recipients/day")
		time.Sleep(patience - time.Second)
		synctest.Wait()
		if waiting.ended.Load() {
			t.Errorf("it does not wait: %s", waiting.Body)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !waiting.ended.Load() || waiting.Code != http.StatusServiceUnavailable {
			t.Errorf("%d %s", waiting.Code, waiting.Body)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/web/api/client"
	"countersign/test/harness"
)

// panel is a program that uses the API of the gates.
type panel struct {
	c     *world
	at    []string
	token string
}

// withPanel starts gates that answer a panel.
func withPanel(t *testing.T) *panel {
	t.Helper()
	p := &panel{token: client.NewToken()}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(p.token), 0o600); err != nil {
		t.Fatal(err)
	}
	p.c = newWorldWith(t, worldOptions{url: shared.Cluster(t).Database(t), more: func(int) string {
		p.at = append(p.at, harness.FreePort(t))
		return fmt.Sprintf("[web]\nlisten = [%q]\n[[api_client]]\nname = \"panel\"\ntoken_file = %q\nmay = [\"read\", \"bans\", \"limits\", \"accounts\"]\n", p.at[len(p.at)-1], file)
	}})
	return p
}

// does sends a request to a gate, which has to succeed, and returns a member of the answer.
func (p *panel) does(g int, method, path, body, member string) string {
	p.c.t.Helper()
	r, err := http.NewRequestWithContext(p.c.t.Context(), method, "http://"+p.at[g]+"/api/v1"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		p.c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		p.c.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode >= http.StatusMultipleChoices {
		p.c.t.Fatalf("%s %s: %d %s, %v", method, path, a.StatusCode, text, err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		p.c.t.Fatalf("%s %s: %s", method, path, text)
	}
	out, _ := answer[member].(string)
	return out
}

// within tries a message at a gate until it gets what is wanted, which has to come for every one
// that begins a second after the change.
func (p *panel) within(g int, what string, changed time.Time, wanted func(error) bool) {
	p.c.t.Helper()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for ; ; <-pause.C {
		began, err := p.c.login(g, harness.Password)
		if wanted(err) {
			p.c.t.Logf("%s: gate %d knows it %v after the answer", what, g, began.Sub(changed).Round(time.Millisecond))
			return
		}
		if began.Sub(changed) > time.Second {
			p.c.t.Fatalf("%s: gate %d answers %v to a message %v after it", what, g, err, began.Sub(changed))
		}
	}
}

// TestAPIIsFeltEverywhere changes bans, limits, plans and suspensions through the API of one gate:
// the others follow within a second, and the record has it by the client's name.
func TestAPIIsFeltEverywhere(t *testing.T) {
	p := withPanel(t)
	c := p.c
	id := p.does(0, "POST", "/bans", `{"network":"127.0.0.1","reason":"guessing","force":true}`, "id")
	c.felt(1, audit.BanAdded, "554 5.7.1 ")
	c.felt(2, audit.BanAdded, "554 5.7.1 ")
	p.does(1, "DELETE", "/bans/"+id, "", "id")
	c.felt(2, audit.BanLifted, "220 ")
	c.felt(0, audit.BanLifted, "220 ")

	passes := func(err error) bool { return err == nil }
	says := func(text string) func(error) bool {
		return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
	}
	// One message passes, then none until more is allowed.
	p.within(1, "nothing", time.Now(), passes)
	p.does(0, "POST", "/limits", `{"for":{"account":"`+harness.Login+`"},"limits":["messages/day=1"]}`, "")
	p.within(1, "a limit", time.Now(), says("452 4.7.1"))
	p.does(0, "POST", "/limits/allowances", `{"for":{"account":"`+harness.Login+`"},"limits":["messages/day=+100000"],"until":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`","because":"testing"}`, "")
	p.within(2, "an allowance", time.Now(), passes)

	// A plan with a limit of its own, and with a bound of the message.
	c.gates[0].Admin("", "plan", "add", "tiny", "--max-message-size", "1")
	p.does(0, "PATCH", "/accounts/"+harness.Login, `{"plan":"tiny"}`, "plan")
	p.within(1, "a plan", time.Now(), says("552 5.3.4"))
	p.does(2, "PATCH", "/plans/tiny", `{"max_message_bytes":100000}`, "name")
	p.within(1, "a changed plan", time.Now(), passes)

	p.does(1, "POST", "/accounts/"+harness.Login+"/suspend", "", "state")
	p.within(2, "a suspension", time.Now(), says("535"))
	p.does(2, "POST", "/accounts/"+harness.Login+"/resume", "", "state")
	p.within(0, "its end", time.Now(), passes)

	found, err := c.db.Search(t.Context(), audit.Query{Actor: "api:panel"})
	// What waited at the suspension is held by it, which is recorded of each message.
	found = slices.DeleteFunc(found, func(e audit.Event) bool { return e.Submission != "" })
	if err != nil || len(found) != 8 {
		t.Errorf("the record has %d changes by the panel, %v: %+v", len(found), err, found)
	}
	rules, err := c.db.Rules(t.Context(), limit.Query{})
	if err != nil || len(rules) != 2 || rules[0].By != "api:panel" {
		t.Errorf("%+v, %v", rules, err)
	}
}

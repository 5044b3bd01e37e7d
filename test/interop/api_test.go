package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
)

// TestAPIByCurl runs every example of docs/ops/api.md by curl, in their order, over TLS, against
// a gate that runs.
func TestAPIByCurl(t *testing.T) {
	page, err := os.ReadFile("../../docs/ops/api.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	printed, err := harness.Command(t, "api", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(printed))
	for name, text := range map[string]string{"panel.token": token + "\n", "panel.header": "Authorization: Bearer " + token + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, hop := newBox(t)
	web := harness.FreePort(t)
	g := harness.Serve(t, hop, `[web]
listen = ["`+web+`"]
tls = "on"
[[api_client]]
name = "panel"
token_file = "`+filepath.Join(dir, "panel.token")+`"
networks = ["127.0.0.1"]
may = ["read", "bans", "limits", "access", "grants", "guard", "accounts"]
`)
	g.Admin("", "plan", "add", "large")
	id := ""
	examples := regexp.MustCompile(`(?m)^    (curl .*)$`).FindAllStringSubmatch(string(page), -1)
	if len(examples) < 12 {
		t.Fatalf("%d examples were found", len(examples))
	}
	for _, example := range examples {
		command := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(example[1], "curl ", `curl --fail-with-body --cacert "$CA" `, 1))
		command.Dir = dir
		command.Env = append(os.Environ(), "API=https://"+web+"/api/v1", "CA="+g.CAFile, "ID="+id)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", example[1], err, out)
		}
		var answer struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(out, &answer) == nil {
			id = answer.ID
		}
		if strings.Contains(string(out), token) {
			t.Errorf("%s answers the token", example[1])
		}
	}
	if log := g.Log(); strings.Contains(log, token) || !strings.Contains(log, `"client":"panel"`) && !strings.Contains(log, "client=panel") {
		t.Error("the log has the token, or not who asked")
	}
	if events := g.Events("--actor", "api:panel"); len(events) < 8 {
		t.Errorf("the record has %d changes by the client", len(events))
	}
	// A token that is nobody's, by curl too.
	out, _ := exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", g.CAFile, "-w", "%{http_code}", "-H", "Authorization: Bearer "+strings.ToLower(token), "https://"+web+"/api/v1/bans").CombinedOutput()
	if !strings.HasSuffix(string(out), "401") {
		t.Errorf("%s", out)
	}
	if events := g.Recorded(1, "--kind", "api.refused"); events[0].Data["cause"] != "token" {
		t.Errorf("%+v", events)
	}
	// A new token is taken at a reload, and the old one is nobody's from then on.
	renewed, err := harness.Command(t, "api", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "panel.token"), renewed, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Signal(syscall.SIGHUP)
	status := func(token string) string {
		out, _ := exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", g.CAFile, "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer "+token, "https://"+web+"/api/v1/bans").CombinedOutput()
		return string(out)
	}
	harness.WaitFor(t, "the new token to be taken", func() bool { return status(strings.TrimSpace(string(renewed))) == "200" })
	if got := status(token); got != "401" && got != "429" {
		t.Errorf("the old token is answered with %s", got)
	}
}

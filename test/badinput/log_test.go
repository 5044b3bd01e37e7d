package badinput

import (
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestLogIsOneObjectPerLine: whatever the server has to say at whatever
// moment, a machine that reads the log can read it, and finds values and not
// the names of our types.
func TestLogIsOneObjectPerLine(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "[queue]\nretry = [\"1s\"]\n")
	g.Kill(syscall.SIGTERM)
	edit(t, g, `level = "info"`, "level = \"debug\"\nformat = \"json\"")
	before := len(logText(t, g, 0))
	g.Start()
	c := talk.LogIn(t, g)
	c.Say("NONSENSE \x01", "500 ")
	id := talk.Accepted(t, c.Submit("b@example.com", talk.Message("logged", "text")))
	waitState(t, g, id, "deferred")
	next := listen(t, address, nil)
	next.waitFor(t, "logged")
	waitEmpty(t, g)
	edit(t, g, "domain = \"*\"", "domain = \"*\"\nmistake = 1\nother = \"mistake\"")
	reload(t, g, reloadRefused)
	edit(t, g, "mistake = 1\nother = \"mistake\"", "", `hostname = "gate.example.org"`, `hostname = "new.example.org"`)
	reload(t, g, regexp.MustCompile(`needs a restart`))
	process := pid(t, g)
	signal(t, process, syscall.SIGTERM)
	c.Expect(stopping)
	waitGone(t, process)
	g.Kill(syscall.SIGTERM)

	typeName := regexp.MustCompile(`^\[[a-z]+\.[A-Z]\w*\]$`)
	found := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(logText(t, g, before), "\n"), "\n") {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("not an object: %q", line)
			continue
		}
		for key, value := range record {
			if text, ok := value.(string); ok && typeName.MatchString(text) {
				t.Errorf("%s is %s in %s", key, text, line)
			}
		}
		if record["submission"] == id {
			found[record["msg"].(string)] = true
		}
	}
	for _, kind := range []string{"submission.accepted", "delivery.deferred", "delivery.delivered"} {
		if !found[kind] {
			t.Errorf("no line says %s of the submission; there are %v", kind, found)
		}
	}
}

package badinput

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// Texts that must not be found where they do not belong.
const (
	wrongSecret = "a wrong but private password"
	bodySecret  = "Zwetschgendatschi"
)

// secrets are all forms of the passwords.
func secrets() []string {
	var all []string
	for _, password := range []string{harness.Password, wrongSecret} {
		all = append(all, password)
		all = append(all, harness.InBase64(password)...)
	}
	return all
}

// lacks wants a text to hold none of the words.
func lacks(t *testing.T, where, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if i := strings.Index(text, word); i >= 0 {
			t.Errorf("%s holds %q: %.200q", where, word, text[max(i-100, 0):])
		}
	}
}

// tell makes every mistake with a password that a client can make.
func tell(t *testing.T, g *harness.Gate) {
	t.Helper()
	encode := func(s string) string { return talk.Encode([]byte(s)) }

	// Without TLS, and not waiting for the answer.
	c := talk.Dial(t, g.Submission)
	c.Expect("220 ")
	c.Say(talk.Hello, "250 ")
	c.Say(talk.Plain(harness.Login, harness.Password), "538 ")
	c.Say("AUTH LOGIN", "538 ")
	c.Say(encode(harness.Login), "500 ")
	c.Say(encode(harness.Password), "500 ")
	c.Say(harness.Password, "500 ")

	c = talk.Open(t, g)
	c.Say(talk.Plain(harness.Login, wrongSecret), "535 ")
	c.Say(talk.Plain(harness.Login, wrongSecret)+" "+wrongSecret, "501 ")
	c.Say("AUTH PLAIN "+harness.Password, "501 ")
	c = talk.Open(t, g)
	c.Say("AUTH LOGIN", "334 ")
	c.Say(encode(harness.Login), "334 ")
	c.Say(encode(wrongSecret), "535 ")
	c.Say("AUTH "+encode(harness.Password), "501 ") // its "=" is in no method's name
	c.Say("AUTH PLAIN", "334")
	c.Say(harness.Password, "501 ")
	c = talk.Open(t, g)
	// The password in place of the login is a mistake that people make.
	c.Say(talk.Plain(wrongSecret, harness.Password), "535 ")
	c.Say("AUTH LOGIN "+encode(harness.Login), "334 ")
	c.Say(encode(harness.Password), "235 ")
	c.Say(talk.Plain(harness.Login, harness.Password), "503 ")
}

// TestSecretsStayOut: no password and no body text in the log at its most
// talkative, in the record, or in the database once the message has left.
func TestSecretsStayOut(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "[queue]\nretry = [\"1s\"]\n")
	g.Kill(syscall.SIGTERM)
	edit(t, g, `level = "info"`, `level = "debug"`)
	g.Start()
	tell(t, g)
	c := talk.LogIn(t, g)
	id := talk.Accepted(t, c.Submit("b@example.com", talk.Message("secret", bodySecret)))
	refusedBody := strings.Replace(talk.Message("refused", bodySecret), harness.Login, "boss@example.com", 1)
	if reply := c.Submit("b@example.com", refusedBody); reply[0] != '5' {
		t.Errorf("a foreign From was answered %q", reply)
	}
	c.Say(bodySecret, "500 ")
	waitState(t, g, id, "deferred")
	next := listen(t, address, nil)
	next.waitFor(t, "secret")
	waitEmpty(t, g)
	g.Kill(syscall.SIGTERM) // everything recorded, everything on disk

	never := append(secrets(), bodySecret)
	never = append(never, harness.InBase64(bodySecret)...)
	log := logText(t, g, 0)
	lacks(t, "the log", log, never...)
	sessions := map[string]bool{}
	for _, match := range regexp.MustCompile(`session=([0-9A-Z]{26})`).FindAllStringSubmatch(log, -1) {
		sessions[match[1]] = true
	}
	if len(sessions) < 5 {
		t.Fatalf("the log names %d sessions", len(sessions))
	}
	sessions[id] = true
	for s := range sessions {
		lacks(t, "trace "+s, g.Admin("", "trace", s)+g.Admin("", "trace", s, "--json"), never...)
	}
	lacks(t, "account show", g.Admin("", "account", "show", harness.Login, "--json"), never...)
	lacks(t, "the database", dump(t, g), never...)
	files, err := filepath.Glob(filepath.Join(dataDir(g), "countersign.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lacks(t, file, string(text), secrets()...)
		if strings.Contains(string(text), bodySecret) {
			t.Logf("%s still holds the body in a page that is free", filepath.Base(file))
		}
	}
}

// dump is the content of every table.
func dump(t *testing.T, g *harness.Gate) string {
	t.Helper()
	db := database(t, g)
	defer db.Close()
	var out strings.Builder
	for _, table := range rows(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
		out.WriteString(strings.Join(rows(t, db, "SELECT * FROM "+table), "\n"))
	}
	if !strings.Contains(out.String(), harness.Login) {
		t.Fatal("the dump of the database is empty")
	}
	return out.String()
}

// rows returns the rows of a query as text.
func rows(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	result, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for result.Next() {
		values, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := result.Scan(places...); err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, v := range values {
			if octets, ok := v.([]byte); ok {
				v = string(octets)
			}
			line += fmt.Sprint(v)
		}
		all = append(all, line)
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMonitoring: what monitoring asks for is there, and there is nothing else.
func TestMonitoring(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	talk.MustSubmit(t, g, "b@example.com", "counted")
	next.waitFor(t, "counted")
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/debug/pprof/": 404} {
		if code, text := g.Get(path); code != want {
			t.Errorf("%s answers %d: %.200s", path, code, text)
		}
	}
	_, text := g.Get("/metrics")
	for _, name := range []string{
		"countersign_smtpserver_sessions 0", "countersign_queue_deliveries{", "countersign_submission_", "countersign_delivery_",
		"countersign_build_info{", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no metric %q", name)
		}
	}
	lacks(t, "/metrics", text, secrets()...)
	lacks(t, "/metrics", text, harness.Login)
}

package app

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/internal/sink"
)

// TestWebIsServed: it is there where it is configured, and gone after Stop.
func TestWebIsServed(t *testing.T) {
	w := newWorld(t, "[web]\nlisten = [\"127.0.0.1:0\"]\n", func(sink.Message) error { return nil })
	where := w.app.Addresses()["web"]
	res, err := http.Get("http://" + where + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("/ answers %d", res.StatusCode)
	}
	if text := get(t, "http://"+w.app.Addresses()["metrics"]+"/metrics"); !strings.Contains(text, `countersign_web_requests_total{code="404",part="none"} 1`) {
		t.Error("it is not counted")
	}
	if err := w.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", where); err == nil {
		t.Error("it still listens after Stop")
	}
}

// refusal returns how a command is refused that a client sends before all others.
func refusal(t *testing.T, w *world, command string) string {
	t.Helper()
	conn, err := net.Dial("tcp", w.app.Addresses()["submission"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := textproto.NewReader(bufio.NewReader(conn))
	if _, _, err := in.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"EHLO c.example", command} {
		fmt.Fprintf(conn, "%s\r\n", c)
	}
	if _, _, err := in.ReadResponse(250); err != nil {
		t.Fatal(err)
	}
	_, text, _ := in.ReadResponse(0)
	return text
}

// TestRefusalLeadsToItsPage: the link at the end of a refusal opens the page about it, with the
// id that the helpdesk asks for; a reload takes the operator's own text.
func TestRefusalLeadsToItsPage(t *testing.T) {
	const web = "[web]\nlisten = [\"127.0.0.1:0\"]\n[help]\nurl = \"http://127.0.0.1:0/help/\"\n"
	w := newWorld(t, web+"contact = \"support@example.com\"\n", func(sink.Message) error { return nil })
	text := refusal(t, w, "MAIL FROM:<a@example.org>")
	link := text[strings.LastIndexByte(text, ' ')+1:]
	want := "http://" + w.app.Addresses()["web"] + "/help/encryption-required?id="
	if !strings.HasPrefix(link, want) || strings.Contains(text, "[") {
		t.Fatalf("refused with %q, want %s at the end", text, want)
	}
	page := get(t, link)
	for _, part := range []string{"does not encrypt", "<strong>" + strings.TrimPrefix(link, want) + "</strong>", "mailto:support@example.com", "gate.example.org: help"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q:\n%s", part, page)
		}
	}
	if text := refusal(t, w, "NONSENSE"); strings.Contains(text, "http") || !strings.HasSuffix(text, "]") {
		t.Errorf("a refusal without a page: %q", text)
	}

	own := filepath.Join(w.dir, "pages")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(own, "encryption-required.html"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("<p>Our own words.</p>")
	cfg := w.configure(web + fmt.Sprintf("pages = %q\nname = \"Example Hosting\"\n", own))
	if restart, err := w.app.Reload(t.Context(), cfg); err != nil || len(restart) != 0 {
		t.Fatalf("%v, %v", restart, err)
	}
	if page := get(t, link); !strings.Contains(page, "<p>Our own words.</p>") || !strings.Contains(page, "Example Hosting") || strings.Contains(page, "mailto") {
		t.Errorf("after the reload:\n%s", page)
	}
	put("") // a reload that cannot be: nothing changes
	if _, err := w.app.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "encryption-required.html is empty") {
		t.Errorf("an empty page: %v", err)
	}
	if page := get(t, link); !strings.Contains(page, "<p>Our own words.</p>") {
		t.Errorf("after a reload that failed:\n%s", page)
	}
	if _, err := w.app.Reload(t.Context(), w.configure("[web]\nlisten = [\"127.0.0.1:0\"]\n")); err != nil {
		t.Fatal(err)
	}
	if text := refusal(t, w, "MAIL FROM:<a@example.org>"); strings.Contains(text, "http") || !strings.HasSuffix(text, "]") {
		t.Errorf("without a URL: %q", text)
	}
}

package rehearsal

import (
	"io"
	"net/http"
	"testing"
)

// get reads a page.
func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(text)
}

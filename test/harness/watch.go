package harness

import (
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Get asks the gate's monitoring listener, on a connection of its own.
func (s *Gate) Get(path string) (status int, text string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.Metrics+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Close = true
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// Metric returns the value of a metric without labels, which there must be.
func (s *Gate) Metric(name string) float64 {
	s.t.Helper()
	_, text := s.Get("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// InBase64 are the forms of a text in base64 that do not depend on what stands before it: where
// the text may not be, none of them may.
func InBase64(text string) []string {
	var forms []string
	for skip := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(".", skip) + text))
		forms = append(forms, encoded[(skip*8+5)/6:(skip+len(text))*8/6])
	}
	return forms
}

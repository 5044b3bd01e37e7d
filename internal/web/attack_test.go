package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// raw sends a text, and returns the answers until the connection ends.
func raw(t *testing.T, where, text string) (answers []*http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, text)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		res.Body.Close()
		answers = append(answers, res)
	}
}

// TestAmbiguousRequests: what two readers may see two requests in is refused, and nothing behind it is
// taken for another request (RFC 9112 sections 2.2, 5, 6.1, 6.3 and 11.2).
func TestAmbiguousRequests(t *testing.T) {
	_, where := start(t, Options{Mounts: mounted()}, nil)
	const hidden = "GET /a/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, head := range map[string]string{
		"two lengths":                "POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
		"a list of lengths":          "POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 5\r\n\r\n",
		"a length with a sign":       "POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",
		"an encoding that is not":    "POST /a/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"two encodings":              "POST /a/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
		"a blank before the colon":   "POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n",
		"a control character":        "POST /a/ HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"a bare CR":                  "POST /a/ HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 5\r\n\r\n",
		"no host":                    "GET /a/ HTTP/1.1\r\n\r\n",
		"two hosts":                  "GET /a/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"a host that is none":        "GET /a/ HTTP/1.1\r\nHost: x\"><script>\r\n\r\n",
		"a version that is not":      "GET /a/ HTTP/3.0\r\nHost: x\r\n\r\n",
		"HTTP/2 in clear text":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a method that is no word":   "GE(T /a/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"a chunk whose size is none": "POST /a/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
	} {
		answers := raw(t, where, head+hidden)
		if len(answers) != 1 || answers[0].StatusCode < 400 && !strings.Contains(name, "chunk") {
			t.Errorf("%s: %d answers, %+v", name, len(answers), answers)
		}
	}
	if answers := raw(t, where, hidden+hidden); len(answers) != 2 || answers[1].StatusCode != 200 {
		t.Errorf("two requests in a row: %+v", answers)
	}
}

// TestNoOtherSite: no answer leads to another site, whatever host and path a request names.
func TestNoOtherSite(t *testing.T) {
	_, where := start(t, Options{Mounts: mounted()}, nil)
	for _, target := range []string{"//evil.example/a/", "/a/..//evil.example/", "/a", "/a/../..//evil.example", `/\evil.example/../a/`, "http://evil.example/a/../a/x", "/a/%2e%2e/%2e%2e/etc/passwd"} {
		answers := raw(t, where, "GET "+target+" HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n")
		if len(answers) != 1 {
			t.Errorf("%s has %d answers", target, len(answers))
		}
		for _, res := range answers {
			to := res.Header.Get("Location")
			if strings.HasPrefix(to, "//") || strings.Contains(to, "://") || strings.HasPrefix(to, `/\`) {
				t.Errorf("%s leads to %q", target, to)
			}
		}
	}
}

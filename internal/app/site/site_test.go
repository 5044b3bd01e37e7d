package site

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"countersign/internal/config"
	"countersign/internal/testkit"
	"countersign/internal/web"
)

func TestEncrypted(t *testing.T) {
	for _, c := range []struct {
		mode, address string
		want          bool
	}{
		{"auto", "127.0.0.1:8080", false}, {"auto", "[::1]:8080", false}, {"auto", "[::ffff:127.0.0.1]:80", false},
		{"auto", "192.0.2.1:8080", true}, {"auto", ":443", true}, {"auto", "0.0.0.0:80", true}, {"auto", "[::]:80", true},
		{"on", "127.0.0.1:8080", true},
	} {
		if got := Encrypted(&config.Web{TLS: c.mode}, c.address); got != c.want {
			t.Errorf("%s with tls = %s: %v", c.address, c.mode, got)
		}
	}
}

// TestHelp: port 0 stands for the one that was got, and the operator is called by something.
func TestHelp(t *testing.T) {
	for _, c := range []struct{ url, address, want string }{
		{"", "127.0.0.1:8080", ""},
		{"https://mail.example.net/help", "127.0.0.1:8080", "https://mail.example.net/help"},
		{"http://127.0.0.1:0/help", "127.0.0.1:8080", "http://127.0.0.1:8080/help"},
		{"http://[::1]:0/help", "[::1]:8080", "http://[::1]:8080/help"},
		{"http://127.0.0.1:0/help", "", ""},
	} {
		o, err := Help(&config.Config{Hostname: "mail.example.net", Help: config.Help{URL: c.url}}, c.address)
		if err != nil || o.URL != c.want || o.Name != "mail.example.net" {
			t.Errorf("%s at %s: %+v, %v", c.url, c.address, o, err)
		}
	}
}

func TestOpen(t *testing.T) {
	if s, _, err := Open(Options{}); s != nil || err != nil {
		t.Errorf("nothing is configured: %v, %v", s, err)
	}
	authority := testkit.NewAuthority(t)
	o := Options{
		Config: config.Web{Listen: []string{"127.0.0.1:0"}, TLS: "on", Certificates: []string{"main"}, MaxConnections: 8},
		Mounts: []web.Mount{{Path: "/a/", Name: "a", Handler: http.NotFoundHandler()}},
		TLS: func(names []string, minimum uint16) (*tls.Config, error) {
			if len(names) != 1 || names[0] != "main" || minimum != tls.VersionTLS12 {
				t.Errorf("asked for %v, %x", names, minimum)
			}
			return authority.Server("127.0.0.1"), nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	s, where, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}}
	res, err := client.Get("https://" + where + "/")
	if err != nil || res.StatusCode != 404 {
		t.Fatalf("%v, %v", res, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	client.CloseIdleConnections()

	// All or nothing: a second address that is taken gives the first back.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := free.Addr().String()
	free.Close()
	o.Config.Listen = []string{first, where}
	if _, _, err := Open(o); err == nil {
		t.Fatal("an address was taken twice")
	}
	o.Config.Listen, o.TLS = []string{first}, func([]string, uint16) (*tls.Config, error) { return nil, errors.New("no certificate") }
	if _, _, err := Open(o); err == nil || err.Error() != "no certificate" {
		t.Errorf("got %v", err)
	}
	again, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatalf("it was not given back: %v", err)
	}
	again.Close()
}

// TestMaxConnections: one more than there may be is closed at once.
func TestMaxConnections(t *testing.T) {
	s, where, err := Open(Options{
		Config: config.Web{Listen: []string{"127.0.0.1:0"}, TLS: "auto", MaxConnections: 1}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	var last net.Conn
	for range 2 { // they are accepted in this order
		if last, err = net.Dial("tcp", where); err != nil {
			t.Fatal(err)
		}
		defer last.Close()
	}
	if n, err := last.Read(make([]byte, 1)); err == nil {
		t.Errorf("the second read %d octets", n)
	}
}

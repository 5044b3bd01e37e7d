package app

import (
	"slices"
	"testing"

	"countersign/internal/config"
)

// What is offered has something behind it for every account that may come.
func TestOffered(t *testing.T) {
	all := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "XOAUTH2", "PLAIN"}
	panel, boxes := config.Directory{Kind: "http"}, config.Directory{Kind: "dovecot"}
	bearer := boxes
	bearer.Tokens = true
	some := panel
	some.Domains = []string{"example.org"}
	for _, c := range []struct {
		directories []config.Directory
		want        []string
	}{
		{nil, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"}},
		{[]config.Directory{some}, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"}},
		{[]config.Directory{some, panel}, []string{"PLAIN"}},
		{[]config.Directory{panel, boxes}, []string{"SCRAM-SHA-256", "PLAIN"}},
		{[]config.Directory{panel, bearer}, []string{"SCRAM-SHA-256", "XOAUTH2", "PLAIN"}},
	} {
		cfg := &config.Config{Directories: c.directories}
		cfg.Auth.Mechanisms = all
		if got := Offered(cfg); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.directories, got, c.want)
		}
	}
}

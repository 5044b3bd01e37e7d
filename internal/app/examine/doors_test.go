package examine

import (
	"crypto/x509"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"countersign/internal/account/subject"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/testkit"
)

// Each listener is asked for itself: what it offers, whether it knows networks, and by its
// own files whether a certificate holds.
func TestDoors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	ours := testkit.NewAuthority(t)
	testkit.WriteCertificates(t, file, ours)
	printer, stranger := ours.Client("printer", nil).Leaf, testkit.NewAuthority(t).Client("printer", nil).Leaf
	finger := subject.Fingerprint(printer.Raw)
	cfg := &config.Config{Listeners: []config.Listener{
		{Name: "all"},
		{Name: "plain", Mechanisms: []string{"PLAIN", "LOGIN"}, Networks: "on"},
		{Name: "exact", ClientCAFile: file, ClientNames: []string{"fingerprint"}},
		{Name: "named", ClientCAFile: file, ClientNames: []string{"cn"}, Mechanisms: []string{"EXTERNAL"}},
		{Name: "looks", ClientCAFile: file, ClientNames: []string{"fingerprint"}, Mechanisms: []string{"PLAIN"}},
	}}
	cfg.Auth.Mechanisms = []string{"EXTERNAL", "XOAUTH2", "PLAIN"}
	for _, c := range []struct {
		way  Way
		want string // names of what is open
	}{
		{Way{Mechanism: "PLAIN"}, "all plain exact looks"},
		{Way{Mechanism: "LOGIN"}, ""},   // not among auth.mechanisms
		{Way{Mechanism: "XOAUTH2"}, ""}, // no issuer
		{Way{}, "plain"},
		{Way{Listener: "all"}, ""},
		{Way{Mechanism: "PLAIN", Listener: "plain"}, "plain"},
		{Way{Mechanism: "EXTERNAL"}, "exact named"},
		{Way{Mechanism: "EXTERNAL", Presented: []*x509.Certificate{printer}}, "exact named"},
		{Way{Mechanism: "EXTERNAL", Presented: []*x509.Certificate{stranger}}, ""},
	} {
		doors, err := Doors(cfg, c.way)
		var open []string
		for _, d := range doors {
			if d.Open {
				open = append(open, d.Listener)
			}
			asks := strings.HasPrefix(d.Listener, "exact") || d.Listener == "named" || d.Listener == "looks"
			if wrong := asks && c.way.Presented != nil && c.way.Presented[0] == stranger; (d.Cause == "foreign") != wrong {
				t.Errorf("%+v: %+v", c.way, d)
			}
		}
		if err != nil || strings.Join(open, " ") != c.want {
			t.Errorf("%+v: %v, %v, want %s", c.way, open, err, c.want)
		}
	}
	doors, err := Doors(cfg, Way{Mechanism: "EXTERNAL", Presented: []*x509.Certificate{printer}})
	if err != nil || !reflect.DeepEqual(doors[2].Subjects, []string{finger}) || !reflect.DeepEqual(doors[3].Subjects, []string{"cn:printer"}) || doors[0].Subjects != nil {
		t.Errorf("%+v, %v", doors, err)
	}
}

func TestDoorsWrong(t *testing.T) {
	cfg := &config.Config{Listeners: []config.Listener{{Name: "one", ClientCAFile: filepath.Join(t.TempDir(), "none")}, {Name: "two"}}}
	if _, err := Doors(cfg, Way{Mechanism: "PLAIN", Listener: "three"}); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "one, two") {
		t.Error(err)
	}
	leaf := testkit.SelfSigned(t, "printer", nil).Leaf
	if _, err := Doors(cfg, Way{Mechanism: "EXTERNAL", Presented: []*x509.Certificate{leaf}}); err == nil || !strings.Contains(err.Error(), `listener "one"`) {
		t.Error(err)
	}
}

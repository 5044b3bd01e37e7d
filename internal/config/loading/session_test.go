package loading

import (
	"testing"
)

// TestPlacesOfAWideNetwork wants an operator whose clients all come from one
// address to need one option, not two.
func TestPlacesOfAWideNetwork(t *testing.T) {
	for _, tt := range []struct {
		session string
		want    int
	}{
		{"", 1250},
		{"max_connections = 1000", 250},
		{"max_connections = 10", 50},
		{"max_connections_per_prefix = 4000", 4000},
		{"max_connections_per_wide_network = 5000", 5000},
	} {
		if got := loaded(t, small+"[session]\n"+tt.session+"\n").Session.MaxConnectionsPerWideNetwork; got != tt.want {
			t.Errorf("%q: %d, want %d", tt.session, got, tt.want)
		}
	}
}

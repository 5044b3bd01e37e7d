package bind

import "testing"

// TestNetworkOfAnAddress: which family an address is bound in.
func TestNetworkOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		":587": "tcp", "127.0.0.1:587": "tcp4", "0.0.0.0:587": "tcp4", "[::]:587": "tcp6", "[::1]:587": "tcp6",
	} {
		if got := network(address); got != want {
			t.Errorf("%s is bound in %s, want %s", address, got, want)
		}
	}
}

package examine

import (
	"net"
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/value"
	"countersign/internal/fault"
	"countersign/internal/testkit/testmilter"
)

// TestFiltersAreTried: one that answers, and one that nobody runs.
func TestFiltersAreTried(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	second := value.Duration(time.Second)
	filter := func(name, address string) config.Filter {
		return config.Filter{
			Name: name, Address: "tcp:" + address, WhenAway: "closed", ConnectTimeout: second, Timeout: 10 * second, TotalTimeout: 10 * second,
			Connections: 1, Failures: 1, Pause: second,
		}
	}
	s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{})
	got, err := Connect(t.Context(), &config.Config{Filters: []config.Filter{filter("there", s.Addr.String()), filter("gone", nobody.Addr().String())}})
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].What != "filter there (tcp:"+s.Addr.String()+")" || got[0].Err != nil {
		t.Errorf("%+v", got[0])
	}
	if !fault.Is(got[1].Err, fault.Unavailable) {
		t.Errorf("%+v", got[1])
	}
	if len(s.Seen()) != 0 {
		t.Error("the filter was shown a message")
	}
}

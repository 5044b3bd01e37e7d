package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/internal/testkit"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	var ten []time.Duration
	for i := range 10 {
		ten = append(ten, time.Duration(i+1)*time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 5, 0.9: 9, 0.99: 10, 1: 10} {
		if got := percentile(ten, q); got != want {
			t.Errorf("percentile %v is %v, want %v", q, got, want)
		}
	}
	if percentile(nil, 0.5) != 0 {
		t.Error("a percentile of nothing")
	}
}

func TestMessageHasAboutTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{500, 4096, 100_000} {
		m := message(Options{From: "a@example.org", To: []string{"b@example.com"}, Size: size}, 7)
		if len(m) > size+200 || len(m) < size-200 {
			t.Errorf("%d octets, asked for %d", len(m), size)
		}
	}
}

func TestReadUsageOfThisProcess(t *testing.T) {
	u, err := ReadUsage(1)
	if err != nil || u.ResidentKiB <= 0 || u.PeakKiB < u.ResidentKiB {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := ReadUsage(-1); err == nil {
		t.Error("figures of a process that cannot be")
	}
}

func TestRunNeedsSomethingToDo(t *testing.T) {
	if _, err := Run(t.Context(), Options{}); err == nil {
		t.Error("an empty run is no error")
	}
}

// TestRunEndsWithItsContext: a server that falls silent does not keep a run that
// is told to stop, wherever it waits.
func TestRunEndsWithItsContext(t *testing.T) {
	for name, replies := range map[string][]string{
		"EHLO":      {"220 mute.example\r\n"},
		"handshake": {"220 mute.example\r\n", "250 mute.example\r\n", "220 go on\r\n"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer stop()
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			for _, reply := range replies {
				io.WriteString(conn, reply)
				conn.Read(make([]byte, 1024))
			}
			stop()
			io.Copy(io.Discard, conn) // until the other side ends it
		}()
		start := time.Now()
		got, err := Run(ctx, Options{
			Address: l.Addr().String(), TLS: &tls.Config{ServerName: "mute.example"},
			To: []string{"b@example.com"}, Connections: 1, Messages: 1,
		})
		if err != nil || got.Accepted+got.Failed != 0 || time.Since(start) > patience/2 {
			t.Errorf("%s: %+v after %v, %v", name, got, time.Since(start), err)
		}
	}
}

func TestDistinctRecipients(t *testing.T) {
	if n := distinct([]string{"a@x.example", "b@x.example", "c@y.example", "a@x.example"}); n != 3 {
		t.Errorf("%d recipients", n)
	}
}

// TestNumber: a message of a load bears its number, one of somebody else none.
func TestNumber(t *testing.T) {
	o := Options{From: "a@example.org", To: []string{"b@example.com"}, Size: 300}
	if n, ok := Number(message(o, 42)); n != 42 || !ok {
		t.Errorf("got %d, %v", n, ok)
	}
	for _, text := range []string{"", "Subject: x\r\n\r\n", "A: b\r\nX-Load-Number: x\r\n\r\n", "X-Load-Number"} {
		if n, ok := Number([]byte(text)); ok {
			t.Errorf("%q has the number %d", text, n)
		}
	}
}

// TestEachConnectionIsAnothers: who logs in, as whom it sends and from where it comes is what
// Change says of each connection.
func TestEachConnectionIsAnothers(t *testing.T) {
	_, load := startGate(t, testkit.FreeAddress(t), "")
	load.Connections, load.Messages, load.PerConnection = 1, 4, 2
	var mu sync.Mutex
	var numbers []int
	load.Change = func(n int, o *Options) {
		mu.Lock()
		defer mu.Unlock()
		numbers = append(numbers, n)
		if n == 2 {
			o.From = "somebody-else@example.org"
		}
	}
	res, err := Run(t.Context(), load)
	if err != nil || res.Accepted != 3 || res.Rejections["550"] != 1 || !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("%+v, %v, connections %v", res, err, numbers)
	}
}

// TestClientIsIntroduced: where the connection is said to be another's, the header of the PROXY
// protocol comes before all else.
func TestClientIsIntroduced(t *testing.T) {
	for client, want := range map[string]string{
		"198.18.0.7": "PROXY TCP4 198.18.0.7 127.0.0.1 40000 465\r\n", "2001:db8::7": "PROXY TCP6 2001:db8::7 ::1 40000 465\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			defer l.Close()
			c, err := l.Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			defer c.Close()
			line, _ := bufio.NewReader(c).ReadString('\n')
			got <- line
		}()
		err = Idle(t.Context(), Options{Address: l.Addr().String(), Client: netip.MustParseAddr(client)}, 1, func() {})
		if line := <-got; line != want || err == nil {
			t.Errorf("the server gets %q, want %q (%v)", line, want, err)
		}
	}
}

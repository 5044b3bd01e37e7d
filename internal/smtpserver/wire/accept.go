package wire

import (
	"errors"
	"net"
	"time"
)

// Bounds of the pause after a failed Accept. The usual failure is that the
// process has no file descriptor left (EMFILE); it passes when sessions end.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Accept hands each connection of l to start until stop is closed. Whatever
// error Accept of l returns is waited out; the first of a row goes to failed,
// unless it only says that l has been closed.
func Accept(l net.Listener, stop <-chan struct{}, start func(net.Conn), failed func(error)) {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			start(conn)
			continue
		}
		if pause == 0 && !errors.Is(err, net.ErrClosed) {
			failed(err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return
		}
	}
}

package badinput

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestLargeBodyIsFlushedBefore250: a file survives a power cut only if its
// folder has been flushed too, and a new folder the one above. By the time of
// the 250 all of it has been: the body, its folder, and at the first body of a
// folder the two above; then the database, which names the body.
func TestLargeBodyIsFlushedBefore250(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	c := talk.LogIn(t, g)
	calls := watch(t, g, flushes)
	talk.Accepted(t, c.Submit("b@example.com", talk.Message("large", strings.TrimSuffix(lines(inFile), "\r\n"))))
	record := calls.record() // each call waits until it is written down
	data := regexp.QuoteMeta(dataDir(g))
	last := 0
	for _, file := range []string{
		data + "/bodies", data, data + "/bodies/[0-9A-Z]{2}/[0-9A-Z]{26}", data + "/bodies/[0-9A-Z]{2}", data + `/countersign\.db-wal`,
	} {
		flush := regexp.MustCompile(`(fsync|fdatasync)\(\d+<` + file + `>`)
		at := flush.FindStringIndex(record[last:])
		if at == nil {
			t.Fatalf("no flush of %s where it is due:\n%s", filepath.FromSlash(file), record)
		}
		last += at[1]
	}
	calls.end()
	next.waitFor(t, "large")
}

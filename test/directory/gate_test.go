package directory

import (
	"testing"
)

func testGate(t *testing.T, p *peers) {}

package shapes

import (
	"testing"

	"countersign/internal/login/shape"
)

// What a gate keeps in memory where there is no store follows the contract too.
func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) shape.Store { return &shape.Memory{} })
}

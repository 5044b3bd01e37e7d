package argument

import (
	"fmt"
	"time"

	"countersign/internal/config"
)

// Length is an argument that says for how long: "24h", "7d". The zero value was not given.
type Length struct{ time.Duration }

// UnmarshalText reads a duration above 0.
func (l *Length) UnmarshalText(text []byte) error {
	var d config.Duration
	if err := d.UnmarshalText(text); err != nil || d <= 0 {
		return fmt.Errorf("%q is not for how long: write 30m, 24h or 7d", text)
	}
	l.Duration = d.Std()
	return nil
}

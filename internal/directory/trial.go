package directory

import "context"

// ProbeLogin is a login that nobody has (RFC 6761 section 6.4), by which a directory can be
// tried before anybody logs in.
const ProbeLogin = "countersign-check@nobody.invalid"

// Checker is a Source that can be tried.
type Checker interface {
	// Check finds out whether it can be asked, as far as that shows without an account.
	// Errors are for the operator.
	Check(ctx context.Context) error
}

// Check implements Checker for what the guard stands before, within the time of a
// question, whatever was found out before. What cannot be tried is taken to be well.
func (g *Guard) Check(ctx context.Context) error {
	c, ok := g.source.(Checker)
	if !ok {
		return nil
	}
	asked, cancel := context.WithTimeout(ctx, g.opt.Timeout)
	defer cancel()
	err := c.Check(asked)
	if err != nil && asked.Err() != nil {
		err = Failed(asked, "directory.check", err)
	}
	return err
}

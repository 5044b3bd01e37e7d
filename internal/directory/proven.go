package directory

// CheckProven checks an answer about an account that has proved itself in an
// exchange, and brings its addresses into their normal form, as Guard does with
// answers to questions. Errors: fault.Corrupt.
func (a *Answer) CheckProven() error {
	return a.check(Question{Password: "given to the directory in an exchange"})
}

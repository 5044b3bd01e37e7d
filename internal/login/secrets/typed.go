package secrets

import "countersign/internal/account"

// Typed is a password as a client has sent it, and as it is hashed here.
type Typed struct {
	// Raw is what was sent: directories are shown that, and other systems have made their
	// hashes of it.
	Raw string
	// Prepared is the form of account.PreparePassword; "" where the password has none, so that
	// nothing that is made here can be of it.
	Prepared string
}

// NewTyped returns a password in its forms.
func NewTyped(raw string) Typed {
	prepared, err := account.PreparePassword(raw)
	if err != nil {
		return Typed{Raw: raw}
	}
	return Typed{raw, prepared}
}

// forms are the texts that are compared with a hash, one or two. How many depends on what was
// sent alone, so that it tells nothing of what is stored.
func (t Typed) forms() []string {
	switch t.Prepared {
	case "", t.Raw:
		return []string{t.Raw}
	}
	return []string{t.Prepared, t.Raw}
}

// Plain returns the form that is made here, or what was sent where there is none.
func (t Typed) Plain() string {
	if t.Prepared == "" {
		return t.Raw
	}
	return t.Prepared
}

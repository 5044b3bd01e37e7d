package message

import "countersign/internal/mail"

// Identity is an address under which a message presents itself.
type Identity struct {
	// Field is the normal name of the field: From, Sender, Resent-From or Resent-Sender.
	Field string
	// At says which of the header's fields it is, for Rewrite.
	At      int
	Address mail.Address
	// Shown says that a display name or a comment shows it, and not that it is a mailbox
	// of the field.
	Shown bool
}

// Identities returns every address under which the message presents itself: those of
// From, Sender and all Resent-From and Resent-Sender fields (RFC 5322 sections
// 3.6.2 and 3.6.6), and every address that their display names and comments
// show to a reader, encoded words decoded, as many programs show the name
// alone. The first is the first address of From. Addresses may hold UTF-8.
//
// Whatever two receivers could read differently is refused with reason
// header-malformed: groups, source routes, comments or white space inside an address,
// unquoted specials in a name, anything after the address, several From
// addresses without Sender. A missing From is header-from-missing.
// Call Check first, as of several From fields only it complains, and EncodeRaw, so
// that what is judged is what leaves.
func (h *Header) Identities() ([]Identity, error) {
	return h.collect(identities{shown: true})
}

// Senders is Identities without the addresses that display names and comments
// show: those that a reply or a receiver's check goes by.
func (h *Header) Senders() ([]Identity, error) {
	return h.collect(identities{})
}

// collect reads the fields into out.
func (h *Header) collect(out identities) ([]Identity, error) {
	senders, authors := 0, 0
	// From is read first, wherever it stands.
	for i, f := range h.fields {
		if !f.is("From") {
			continue
		}
		n, err := out.add(place{"From", i}, f)
		if err != nil {
			return nil, err
		}
		authors += n
	}
	if authors == 0 {
		return nil, refuse(ReasonFromMissing, "the message has no From field")
	}
	for i, f := range h.fields {
		name := identityName(f)
		if name == "" {
			continue
		}
		n, err := out.add(place{name, i}, f)
		if err != nil {
			return nil, err
		}
		// RFC 5322 sections 3.6.2 and 3.6.6: a sender is one mailbox.
		if n > 1 && name != "Resent-From" {
			return nil, refuse(ReasonMalformed, "%s holds more than one address", name)
		}
		if name == "Sender" {
			senders++
		}
	}
	// RFC 5322 section 3.6.2: several authors need one sender.
	if authors > 1 && senders == 0 {
		return nil, refuse(ReasonMalformed, "From holds more than one address and there is no Sender field")
	}
	return out.list, nil
}

// identityName returns the normal name of a field that carries identities
// besides From, "" for any other field.
func identityName(f field) string {
	for _, name := range []string{"Sender", "Resent-From", "Resent-Sender"} {
		if f.is(name) {
			return name
		}
	}
	return ""
}

// identities collects addresses, of each field each once.
type identities struct {
	// shown says that addresses in names and comments count too.
	shown bool
	list  []Identity
}

// place is the normal name of a field and which one it is.
type place struct {
	name string
	at   int
}

// maxBoxes bounds the addresses of one identity field.
const maxBoxes = 100

// add reads the mailboxes of one field and returns how many there are.
func (ids *identities) add(p place, f field) (int, error) {
	boxes, err := parseMailboxes(toUTF8(f.unfolded()))
	if err != nil {
		return 0, refuse(ReasonMalformed, "%s: %s", p.name, err)
	}
	if len(boxes) > maxBoxes {
		return 0, refuse(ReasonMalformed, "%s holds more than %d addresses", p.name, maxBoxes)
	}
	for _, b := range boxes {
		ids.put(Identity{Field: p.name, At: p.at, Address: b.addr})
	}
	if !ids.shown {
		return len(boxes), nil
	}
	for _, b := range boxes {
		shown, err := shownAddresses(b.shown)
		if err != nil {
			return 0, refuse(ReasonMalformed, "%s: %s", p.name, err)
		}
		for _, a := range shown {
			ids.put(Identity{Field: p.name, At: p.at, Address: a, Shown: true})
		}
	}
	return len(boxes), nil
}

// put adds one, unless its field has the address already: a mailbox stands before what
// names show.
func (ids *identities) put(id Identity) {
	for _, known := range ids.list {
		if known.At == id.At && known.Address == id.Address {
			return
		}
	}
	ids.list = append(ids.list, id)
}

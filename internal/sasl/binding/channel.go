package binding

import "crypto/tls"

// The types of channel binding, by their registered names.
const (
	Exporter = "tls-exporter"
	EndPoint = "tls-server-end-point"
	Unique   = "tls-unique"
)

// Channel is the bindings of one connection. It does not change, and is safe
// for concurrent use.
type Channel struct {
	state    tls.ConnectionState
	endPoint []byte
}

// Data returns the data of a type of binding, false where the connection has
// none of it. The slice is the caller's own. The name of the type is compared as it is.
func (c *Channel) Data(kind string) ([]byte, bool) {
	var data []byte
	switch kind {
	case Exporter:
		data = exported(&c.state)
	case EndPoint:
		data = append(data, c.endPoint...)
	case Unique:
		// crypto/tls has it for TLS 1.2 alone, and for a resumed session only with
		// the extended master secret (RFC 7627), without which it is not unique.
		data = append(data, c.state.TLSUnique...)
	}
	return data, len(data) > 0
}

// exported is the keying material of RFC 9266 section 2. The context is there
// and empty, which in TLS 1.2 is not the same as none (RFC 5705 section 4).
// crypto/tls refuses where RFC 9266 section 4 warns of it: TLS 1.2 without
// the extended master secret, or with renegotiation.
func exported(state *tls.ConnectionState) []byte {
	const label, length = "EXPORTER-Channel-Binding", 32
	if !state.HandshakeComplete {
		return nil
	}
	data, err := state.ExportKeyingMaterial(label, []byte{}, length)
	if err != nil {
		return nil
	}
	return data
}

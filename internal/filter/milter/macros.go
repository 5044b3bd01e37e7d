package milter

import (
	"strings"

	"github.com/d--j/go-milter"

	"countersign/internal/filter"
	"countersign/internal/mail"
)

// macros are values by name. They implement milter.Macros, and change between commands.
type macros map[string]string

// Get implements milter.Macros.
func (m macros) Get(name string) string { return m[name] }

// GetEx implements milter.Macros.
func (m macros) GetEx(name string) (value string, ok bool) {
	value, ok = m[name]
	return value, ok
}

// macroRequests says which macros are sent when. The queue id stands at each stage of the
// message, as Postfix does it: most programs name it in their logs.
func macroRequests() []milter.Option {
	all := []milter.Option{milter.WithoutDefaultMacros()}
	for _, at := range []struct {
		stage milter.MacroStage
		names []string
	}{
		{milter.StageConnect, []string{milter.MacroMTAFQDN, milter.MacroDaemonName, milter.MacroMTAVersion, milter.MacroClientAddr, milter.MacroClientPort}},
		{milter.StageHelo, []string{milter.MacroTlsVersion, milter.MacroCipher}},
		{milter.StageMail, []string{
			milter.MacroQueueId, milter.MacroAuthType, milter.MacroAuthAuthen, milter.MacroMailAddr, milter.MacroMailHost,
			milter.MacroTlsVersion, milter.MacroCipher, // RSET and HELO have come in between elsewhere
		}},
		{milter.StageRcpt, []string{milter.MacroQueueId, milter.MacroRcptAddr, milter.MacroRcptHost}},
		{milter.StageData, []string{milter.MacroQueueId}},
		{milter.StageEOH, []string{milter.MacroQueueId}},
		{milter.StageEOM, []string{milter.MacroQueueId}},
	} {
		all = append(all, milter.WithMacroRequest(at.stage, at.names))
	}
	return all
}

// macrosOf are those of a message, but for its recipients. What there is nothing to say of
// is left out.
func macrosOf(m *filter.Message) macros {
	all := macros{}
	for name, value := range map[string]string{
		milter.MacroMTAFQDN: m.Hostname, milter.MacroDaemonName: m.Listener, milter.MacroMTAVersion: "Countersign",
		milter.MacroTlsVersion: strings.ReplaceAll(m.TLS, "TLS ", "TLSv"), milter.MacroCipher: m.Cipher,
		milter.MacroQueueId: m.ID.String(), milter.MacroAuthType: m.Mechanism, milter.MacroAuthAuthen: m.Login,
		milter.MacroMailAddr: addressText(m.Envelope.From), milter.MacroMailHost: string(m.Envelope.From.Domain),
	} {
		all.set(name, value)
	}
	if m.Client.IsValid() {
		all.set(milter.MacroClientAddr, m.Client.Addr().Unmap().String())
		all.set(milter.MacroClientPort, portText(m.Client.Port()))
	}
	return all
}

// set gives a macro its value, as a text that the protocol can carry.
func (m macros) set(name, value string) {
	if value = text(value); value != "" {
		m[name] = value
	}
}

// recipient sets those of a recipient.
func (m macros) recipient(a mail.Address) {
	m.set(milter.MacroRcptAddr, addressText(a))
	m.set(milter.MacroRcptHost, string(a.Domain))
}

// text is s without NUL, which ends texts of the protocol.
func text(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// addressText is an address without angle brackets, "" for the null sender.
func addressText(a mail.Address) string {
	if a.IsNull() {
		return ""
	}
	return a.String()
}

package list

import (
	"net/netip"
	"strconv"
	"strings"

	"countersign/internal/access"
	"countersign/internal/fault"
)

// What is where clients come from: one of the three. It is comparable.
type What struct {
	// Prefix is a network, in the form of access.Ban.
	Prefix netip.Prefix
	// Country is a code of ISO 3166-1, two capitals.
	Country string
	// AS is the number of an autonomous system (RFC 6793), 0 for none.
	AS uint32
}

// String returns "192.0.2.0/24", "DE" or "AS64500", as ParseWhat reads it.
func (w What) String() string {
	switch {
	case w.Country != "":
		return w.Country
	case w.AS != 0:
		return "AS" + strconv.FormatUint(uint64(w.AS), 10)
	}
	return w.Prefix.String()
}

// ParseWhat reads an address or a network, the code of a country, or the number of an
// autonomous system. Errors are fault.Invalid, and say what there is to choose from.
func ParseWhat(text string) (What, error) {
	const op = "access.what"
	upper := strings.ToUpper(text)
	if number, ok := strings.CutPrefix(upper, "AS"); ok && number != "" && !isLetter(number[0]) {
		n, err := strconv.ParseUint(number, 10, 32)
		// RFC 7607: 0 is nobody's number.
		if err != nil || n == 0 || number[0] == '0' {
			return What{}, fault.New(op, fault.Invalid, "%q is not the number of an autonomous system: write AS64500", text)
		}
		return What{AS: uint32(n)}, nil
	}
	if len(text) == 2 && isLetter(upper[0]) && isLetter(upper[1]) {
		if upper == "UK" {
			return What{}, fault.New(op, fault.Invalid, "%q is no code of a country in ISO 3166-1: the United Kingdom is GB", text)
		}
		if !IsCountry(upper) {
			return What{}, fault.New(op, fault.Invalid, "%q is no code of a country in ISO 3166-1", text)
		}
		return What{Country: upper}, nil
	}
	p, err := access.ParsePrefix(text)
	if err != nil && !strings.ContainsAny(text, ".:/") {
		return What{}, fault.New(op, fault.Invalid, "%q is neither a network (192.0.2.0/24), nor a country (DE), nor an autonomous system (AS64500)", text)
	}
	return What{Prefix: p}, err
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' }

// check refuses what is not of the form that the fields say.
func (w What) check() error {
	given, p := 0, w.Prefix
	bad := false
	if w.Country != "" {
		given++
		bad = !IsCountry(w.Country)
	}
	if w.AS != 0 {
		given++
	}
	if p != (netip.Prefix{}) {
		given++
		bad = bad || !p.IsValid() || p != p.Masked() || p.Addr() != access.Plain(p.Addr())
	}
	if given != 1 || bad {
		return fault.New("access.check", fault.Invalid, "%s is no network, country or autonomous system in the form of access lists", w)
	}
	return nil
}

// countries are the codes of ISO 3166-1 alpha-2 as of 2026, and XK, which files of countries
// have for Kosovo.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO " +
	"SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

// IsCountry reports whether a code of two capitals is that of a country.
func IsCountry(code string) bool {
	if len(code) != 2 || !isLetter(code[0]) || !isLetter(code[1]) {
		return false
	}
	// Every third octet is a blank, so that no code is found across two.
	return strings.Contains(countries, code)
}

package message

import (
	"fmt"
	"mime"
	"strings"
	"testing"
)

// disguises are names that show ceo@bank.example to the eye, in characters that part or join
// it for a program.
func disguises() (names []string) {
	for _, thin := range "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800\U0001d159" {
		for _, form := range []string{"ceo%c@bank.example", "ceo@%cbank.example", "ceo@bank%c.example", "ceo@bank.%cexample", "ceo@ba%cnk.example", "ceo%[1]c@%[1]cbank%[1]c.example"} {
			names = append(names, fmt.Sprintf(form, thin))
		}
	}
	for _, dot := range "\u00b7\u0387\u06d4\u0701\u0702\u2024\u2027\u2219\u22c5\u3002\ua4f8\ua60e\ufe52\uff0e\uff61\U00010a50\U0001d16d" {
		names = append(names, fmt.Sprintf("ceo@bank%cexample", dot))
	}
	for _, at := range "\ufe6b\uff20" {
		names = append(names, fmt.Sprintf("ceo%cbank.example", at), fmt.Sprintf("ceo\u200a%cbank\u00b7example", at))
	}
	return names
}

// TestDisguisedAddressIsSeen: an address in a name is one whatever stands in its gaps, as an
// encoded word and in quotes; and a rewriting keeps no such name.
func TestDisguisedAddressIsSeen(t *testing.T) {
	for _, name := range disguises() {
		for _, from := range []string{strings.ReplaceAll(mime.QEncoding.Encode("utf-8", name), "@", "=40"), mime.BEncoding.Encode("utf-8", name), `"` + name + `"`} {
			head := "From: " + from + " <me@mine.example>\r\n"
			if got := identitiesOf(t, head); !strings.Contains(got, "ceo@bank.example") {
				t.Errorf("%+q shows %s", name, got)
			}
			if got, _ := rewritten(t, head+"Reply-To: x@y.example\r\n", false, "From"); !strings.HasPrefix(got, "From: me@mine.example\r\n") {
				t.Errorf("%+q is kept: %+q", name, got)
			}
		}
	}
}

// TestSpacesAndDotsOfNames hold nothing against names that have such characters and show no
// other address.
func TestSpacesAndDotsOfNames(t *testing.T) {
	for _, name := range []string{
		"Soci\u00e9t\u00e9\u202f: joe@cust.example", "Joe\u2009Doe", "Joe\u00a0Doe joe@cust.example", "\u682a\u5f0f\u3000joe@cust.example",
		"Gaud\u00ed \u00b7 Arquitectes", "Col\u00b7legi", "joe@cust\u00b7example", "\u2800\u2803\u2817", "Meet\u2009@\u2009five",
	} {
		if got := identitiesOf(t, "From: "+mime.BEncoding.Encode("utf-8", name)+" <joe@cust.example>\r\n"); got != "joe@cust.example" {
			t.Errorf("%+q: got %s", name, got)
		}
	}
	const own = "pere@col\u00b7legi.example"
	list, err := shownAddresses("Pere " + own)
	if err != nil || len(list) != 1 || list[0].String() != "pere@xn--collegi-xma.example" {
		t.Errorf("a domain of Catalan shows %v (%v)", list, err)
	}
}

// Package spf tells what a receiver makes of the SPF record of a domain (RFC 7208)
// when mail comes from one of our addresses.
//
// Evaluate walks the record with a library; every record on its way is first read by
// the grammar of RFC 7208 section 12, as the library stops at the first match and a receiver
// that is strict does not. Amend writes what a domain is to publish so that our addresses
// pass. The questions go through an inquiry.Inquiry, which bounds them.
//
// It knows nothing of alignment (package alignment), and does not fetch the text that a
// domain has for those whom it turns away (the exp modifier).
package spf

// Package dnsbl asks DNS lists (RFC 5782) about clients: whether an address is on them, and
// what that counts for.
//
// An answer is remembered for its TTL; so many questions are asked at once, and so many answers
// kept, as Options say. A list that is away, that refuses to answer, or that lists what no
// list may is never taken for one that says no: what is done then is what its When says, and
// Away is told. What a score leads to is for those who ask.
//
// It does not use policy/inquiry, which bounds the many questions of one check; here each
// check is one question to each list, and all checks together are what has to be bounded.
//
// Main types: Checker, List, Verdict.
package dnsbl

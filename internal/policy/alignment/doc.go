// Package alignment says beforehand whether a message of ours will pass DMARC at a
// receiver (RFC 9989), and what a domain has to publish so that it does.
//
// A Judge goes through what a receiver would: the policy of the From domain (package
// dmarc), whether the keys that we sign with are published (package domainkey), whether the record
// of the MAIL FROM domain allows the addresses that we send from (package spf), and whether either
// is aligned. A Checker keeps what it found for as long as DNS says, and answers within a bounded
// time: what is not known by then is Unknown, and is found out in the background.
//
// Unknown is never a reason to refuse. What is done about a message that will fail is not decided
// here; Assessment.Refusable says whether receivers are asked to turn it away.
package alignment

// Package verdict says what a remote server's answer, or the lack of one, means
// for a delivery: it is delivered, to be tried again, or failed for good, and
// whether another host may do better. It is pure: it neither connects nor stores.
//
// Main types: Answer, Host. Rules come from RFC 5321 sections 3.8, 4.5.3 and 5.1, and 3463.
package verdict

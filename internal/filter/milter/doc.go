// Package milter shows messages to programs that speak the milter protocol of
// Sendmail, version 2 to 6, as rspamd, ClamAV and OpenDKIM do.
//
// A Program implements filter.Program. Each message has a connection of its own and the whole
// conversation in it: connection, HELO, MAIL, each RCPT, header, body, end. So nothing
// waits between the commands of a client. The library speaks; what it reads is framed
// and bounded beneath it (wire), as it takes packets of 512 MB, and time for as long as a
// program says that it goes on.
//
// It judges nothing of what a program says (package filter has the words for it,
// submission/filtering decides). There is no RFC: the protocol is what Sendmail's
// libmilter and Postfix do.
//
// Main types: Program.
package milter

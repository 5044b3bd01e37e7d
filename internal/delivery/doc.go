// Package delivery is the way out: it takes what is due from the queue, finds
// the server that each recipient's domain is reached by, hands the message
// over, and stores what became of it.
//
// worker.go reads as the path of one attempt; transact.go chooses hosts and
// connections. Of the packages below it, route says how a recipient's domain is
// reached, unreached which destinations are not tried at the moment, verdict what
// each answer means for a delivery; notice tells the sender, backlog holds what is
// in memory and says whose turn it is.
//
// It stores nothing by itself and speaks neither DNS nor SMTP: packages queue,
// mx and smtpclient do. It never loads the whole queue: a bounded window of it
// is in memory, with a bounded part for each destination, customer and account,
// so that neither a server that hangs nor a sender whose servers all hang
// holds up anybody else.
//
// An outcome is kept until it is stored, however long the store is away and also
// where the lease is lost meanwhile; as long, its worker begins nothing else.
//
// A message is repeated only if the remote server took it and our record of
// that was not stored: after a crash between the two, where this node alone was away
// for longer than its lease, or where the connection
// broke between the end of the content and the answer (then the record says
// that it may have been delivered). It is never lost.
//
// Main types: Deliverer, Options, Route. Rules come from RFC 5321 sections
// 4.5.4 and 5.1 (retries, hosts), 3461 section 5 and 3464 (reports).
package delivery

// Package cli is the command line: it reads arguments, asks for passwords,
// opens what a command needs, and prints what people or scripts want to see.
//
// It decides nothing about mail. What an administrator may do stands in package
// account and in queue.AdminStore; here it gets names, flags, tables and exit
// statuses. A command works beside a running server, on the same store.
//
// There is one file for each command group: queue, trace, audit, config. All others
// have packages of their own below this one: plan, customer, domain and account
// (package accounts), credential, node (nodes), key (keys), store (storage), serve, bench. What the commands
// are given stands in package call, what is particular to reading a command line in
// parser.go. docs/howto/add-command.md says how to add one.
//
// Run does one command line.
package cli

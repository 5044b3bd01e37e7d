// Package cli is the command line: it reads arguments, asks for passwords,
// opens what a command needs, and prints what people or scripts want to see.
//
// It decides nothing about mail. What an administrator may do stands in package
// account and in queue.AdminStore; here it gets names, flags, tables and exit
// statuses. A command works beside a running server, on the same store.
//
// There is one file for each command group: plan, customer, domain, account,
// queue, trace, audit, config. serve, bench, node (package nodes) and store
// (package storage) have packages of their own below this one. What the commands
// on objects have in common stands in object.go, what they say of suspensions in
// standing.go, what is particular to reading a command line in parser.go.
// docs/howto/add-command.md says how to add one.
//
// Main types: Env (what the commands are given), Store; Run does one command
// line.
package cli

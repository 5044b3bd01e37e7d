// Package admin changes who may send: customers, plans, domains and accounts, their
// passwords, aliases and grants. It checks what is asked for, and each change comes with
// the event that tells of it.
//
// It does not make DKIM keys (package dkim does), and gives no credentials beside the
// password (package credentials does).
//
// Main types: Admin, NewAccount, AccountChange, PlanChange.
package admin

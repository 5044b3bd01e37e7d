// Package e2e runs the dialogues of the NN-topic folders against the real
// binary, started by its own quickstart on loopback.
//
// Each folder holds dialogue.txt, a script that a newcomer can read: what the
// client says (C:), what the server must answer (S:), what the administrator
// runs meanwhile (run:), what must have arrived and what the record must say.
// script_test.go lists the words.
package e2e

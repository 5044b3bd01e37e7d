// Package help serves the gate's help pages: one for each refusal that there is advice
// about (package smtp/advice), in the operator's name, and an index of all. Refusals end in a link to
// them.
//
// A page is the same for everybody: nothing is looked up, and of what a client sends only the
// name of the refusal and an id of the right form are taken. It has no script and loads
// nothing from elsewhere.
//
// Main type: Pages. Rules: RFC 9110 (methods, HEAD), RFC 9111 (caching).
package help

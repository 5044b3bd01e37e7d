// Package api is the gate's REST API, apart from what it is about: JSON over HTTP for the
// programs of the operator and of resellers.
//
// A Table says what there is: an Operation is a method, a path, what it takes and answers,
// and who may. From it follow the Handler, which finds out who asks (package client), reads
// what is asked strictly, does it and answers; and the description in OpenAPI 3.1. What the
// operations do is in package resource.
//
// Answers that are no success are problem details (RFC 9457) with a stable type. HTTP is RFC
// 9110, JSON is RFC 8259, bearer tokens are RFC 6750.
//
// Main types: Operation, Request, Handler.
package api

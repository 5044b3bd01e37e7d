// Package openapi holds the description of the API against the schema of OpenAPI 3.1, and what
// is asked and answered against the description, by a library that others wrote. It is a module
// of its own, as the gate needs nothing of that library.
package openapi

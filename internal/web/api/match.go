package api

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPath bounds the path of a request in octets, as it stands in the request.
const maxPath = 2048

// segments splits a path behind Prefix, as it stands in a request, at its slashes, and
// decodes each part: so one that is written %2F belongs to a part. ok is false for what is
// no path of the API.
func segments(escaped string) (parts []string, ok bool) {
	rest, ok := strings.CutPrefix(escaped, Prefix+"/")
	if !ok || len(escaped) > maxPath {
		return nil, false
	}
	for _, text := range strings.Split(rest, "/") {
		part, err := url.PathUnescape(text)
		if err != nil || part == "" || !isText(part) {
			return nil, false
		}
		parts = append(parts, part)
	}
	return parts, true
}

// isText reports whether what a client has sent is a text that a store may be asked for: UTF-8 without
// NUL.
func isText(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }

// braced returns the name of a segment in braces, "" of any other.
func braced(segment string) string {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		return strings.TrimSuffix(name, "}")
	}
	return ""
}

// fits returns what stands in the braces of the path of an Operation, where the segments
// are of that path.
func (o *Operation) fits(parts []string) (values map[string]string, ok bool) {
	pattern := strings.Split(o.Path[1:], "/")
	if len(pattern) != len(parts) {
		return nil, false
	}
	values = map[string]string{}
	for i, p := range pattern {
		switch name := braced(p); {
		case name != "":
			values[name] = parts[i]
		case p != parts[i]:
			return nil, false
		}
	}
	return values, true
}

// find returns the Operation that a request is for, else the methods that there are at its
// path; none for a path that is not there. A path that is written out comes before one
// with braces.
func find(table []Operation, method string, parts []string) (o *Operation, values map[string]string, methods []string) {
	for i := range table {
		v, ok := table[i].fits(parts)
		if !ok {
			continue
		}
		if !slices.Contains(methods, table[i].Method) {
			methods = append(methods, table[i].Method)
		}
		if table[i].Method == method && (o == nil || len(v) < len(values)) {
			o, values = &table[i], v
		}
	}
	return o, values, methods
}

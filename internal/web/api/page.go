package api

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"

	"countersign/internal/fault"
)

// Page is a part of a listing. Next is the cursor of the one behind it, "" at the end.
type Page struct {
	Items any    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Wanted is how many items are to be found for a page: one more than it has, which says that another
// page follows.
func (r *Request) Wanted() int { return r.limit + 1 }

// After is the key of the last item of the page before, "" for the first page. It is valid UTF-8
// without NUL, and anything else that the client may have put there.
func (r *Request) After() string { return r.after }

// PageOf returns the page of what was found for it: the first Wanted of the items whose keys are behind
// After, in the order of keys. Key tells items apart and never changes of one, so that none is left out or
// shown twice by what happens between two pages.
func PageOf[T any](r *Request, found []T, key func(*T) string) Page {
	if len(found) <= r.limit {
		return Page{Items: slices.Clip(append([]T{}, found...))}
	}
	return Page{Items: found[:r.limit:r.limit], Next: cursor(key(&found[r.limit-1]))}
}

// maxCursor bounds a cursor in octets.
const maxCursor = 2048

func cursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte("1" + key)) }

// readPage takes the parameters of pages out of a query.
func (r *Request) readPage() []Finding {
	var wrong []Finding
	r.limit = usualPage
	if text, given := r.query[limitName]; given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostPage {
			wrong = append(wrong, Finding{"query", limitName, "is a number from 1 to " + strconv.Itoa(mostPage)})
		}
		r.limit = n
	}
	if text, given := r.query[cursorName]; given {
		key, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(text) > maxCursor || len(key) == 0 || key[0] != '1' || !utf8.Valid(key) || bytes.IndexByte(key, 0) >= 0 {
			wrong = append(wrong, Finding{"query", cursorName, "is not one that an answer of this listing had as next"})
			return wrong
		}
		r.after = string(key[1:])
	}
	return wrong
}

// Limit returns how many items a listing without cursors may have: the parameter "limit",
// or the usual size of a page.
func (r *Request) Limit() (int, error) {
	if wrong := r.readPage(); len(wrong) > 0 {
		return 0, &fault.Error{Op: "api.read", Kind: fault.Invalid, Err: &InvalidError{Findings: wrong}}
	}
	return r.limit, nil
}

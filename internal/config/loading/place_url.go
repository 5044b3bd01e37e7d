package loading

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/config/option"
	"countersign/internal/config/value"
)

// hasPassword reports whether the URL of a database holds a password, or what looks
// like a misplaced one.
func hasPassword(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	// A user ends at the first "@", unless a path begins before.
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' && strings.Contains(rest[:i], ":") {
		return true
	}
	// With a "/" in it a password reads as a port and a database.
	before, query, _ := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(before, '@'); i >= 0 && strings.Contains(before[:i], ":") {
		return true
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		key = strings.Trim(key, " ") // which the driver does too
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
		if key == "password" || key == "sslpassword" {
			return true
		}
	}
	return false
}

// choices are the options in the URL of a database that take one of some words.
var choices = map[string][]string{
	"sslmode":              {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
	"target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
}

// wrongURL says what the driver would not take in the URL of a database, and how to
// mend it; "" where there is nothing. An option that it does not know it hands to
// the server, which alone can judge it. What does not fall into parts as it should
// is not shown.
func wrongURL(text string) (why, suggestion string) {
	const form = `write "postgres://user@host:port/database?option=value", with special characters as %xx`
	_, rest, _ := strings.Cut(text, "://")
	before, query, _ := strings.Cut(rest, "?")
	if _, err := url.PathUnescape(before); err != nil {
		return `has a "%" that two hexadecimal digits do not follow`, form
	}
	authority, _, _ := strings.Cut(before, "/")
	if _, after, found := strings.Cut(authority, "@"); found {
		authority = after
	}
	for host := range strings.SplitSeq(authority, ",") {
		_, port, found := strings.Cut(host[strings.LastIndexByte(host, ']')+1:], ":")
		if n, err := strconv.Atoi(port); found && port != "" && (err != nil || n < 1 || n > 65535) {
			return "has a port that is no number from 1 to 65535", form
		}
	}
	set := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		rawKey, rawValue, found := strings.Cut(pair, "=")
		key, badKey := url.PathUnescape(strings.Trim(rawKey, " "))
		value, badValue := url.PathUnescape(strings.Trim(rawValue, " "))
		switch {
		case pair == "":
			continue
		case !found || badKey != nil || badValue != nil || strings.Contains(rawValue, "="):
			return `has something behind the "?" that is not option=value`, form
		}
		set[key] = value
	}
	return wrongOption(set)
}

// wrongOption is wrongURL for the options.
func wrongOption(set map[string]string) (why, suggestion string) {
	for _, key := range []string{"sslmode", "target_session_attrs"} {
		value, found := set[key]
		if found && !slices.Contains(choices[key], value) {
			return fmt.Sprintf("has %s=%s, which is none of its values", key, value), option.Choice(value, choices[key])
		}
	}
	if value, found := set["connect_timeout"]; found {
		if _, err := strconv.Atoi(value); err != nil {
			return "has a connect_timeout that is no number of seconds", ""
		}
	}
	for _, key := range []string{"sslrootcert", "sslcert", "sslkey"} {
		path := set[key]
		if path == "" || key == "sslrootcert" && path == "system" {
			continue
		}
		if _, err := os.ReadFile(path); err != nil {
			return fmt.Sprintf("names with %s the file %s, which cannot be read: %s", key, path, value.Plain(err)), ""
		}
	}
	if (set["sslcert"] == "") != (set["sslkey"] == "") {
		return "has one of sslcert and sslkey without the other", "name both files, or none"
	}
	return "", ""
}

package config

import (
	"os"
	"strings"
)

// MaxNodeID bounds a node's id, in octets.
const MaxNodeID = 64

// IsNodeID reports whether text can be the id of a node: 1 to MaxNodeID letters, digits,
// "-", "_" and ".".
func IsNodeID(text string) bool {
	return text != "" && len(text) <= MaxNodeID && strings.Trim(text, idOctets) == ""
}

const idOctets = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// machine returns the host name as a node's id.
func machine() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "1"
	}
	keep := func(r rune) rune {
		if strings.ContainsRune(idOctets, r) {
			return r
		}
		return '-'
	}
	return strings.Map(keep, name[:min(len(name), MaxNodeID)])
}

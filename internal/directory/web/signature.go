package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// SignatureHeader is the field that holds the signature of a request.
const SignatureHeader = "Countersign-Signature"

// Sign returns the value of that field: "t=SECONDS,v1=HEX", where HEX is the
// HMAC-SHA256 (RFC 2104) of the seconds since 1970 in decimal, a full stop, and
// the body. A callback computes it anew, compares in constant time, and refuses
// what is older than a minute or so.
func Sign(key []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

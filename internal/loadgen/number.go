package loadgen

import (
	"bytes"
	"strconv"
)

// numberField begins the header field by which the messages of Run are told apart.
const numberField = "X-Load-Number: "

// Number returns the number of a message of Run, which counts them from 1; false for
// any other message.
func Number(message []byte) (n int, ok bool) {
	_, rest, found := bytes.Cut(message, []byte("\r\n"+numberField))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(digits))
	return n, found && err == nil
}

package sasl

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"
)

// cramName is the name under which the keys of CRAM-MD5 are asked for.
const cramName = "CRAM-MD5"

// newCram starts CRAM-MD5 (RFC 2195 section 2): a challenge that is used once,
// and the keyed digest of it.
func newCram(c *Conn) Exchange {
	return serverFirst(func() ([]byte, step, error) {
		nonce, err := c.nonce()
		if err != nil {
			return nil, nil, err
		}
		// "<random.time@host>", in hex so that it has the form of a msg-id.
		challenge := []byte("<" + hex.EncodeToString([]byte(nonce)) + "." + strconv.FormatInt(c.now().Unix(), 10) + "@" + c.Host + ">")
		return challenge, func(ctx context.Context, response []byte) ([]byte, step, error) {
			return nil, nil, cramTakes(ctx, c, challenge, response)
		}, nil
	})
}

// cramTakes judges the response to a challenge.
func cramTakes(ctx context.Context, c *Conn, challenge, response []byte) error {
	login, digest, err := parseCram(response)
	if err != nil {
		return err
	}
	keys, err := c.keys(ctx, cramName, login, md5.Size, md5.Size)
	if err != nil {
		return err
	}
	which := -1
	for i, key := range keys.List {
		want, err := cramDigest(key, challenge)
		if err != nil {
			return err
		}
		which = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(want, digest), i, which)
	}
	return c.prove(ctx, "", keys, which)
}

// parseCram reads "user SP digest", the digest in hex of either case. A name
// may hold spaces, a digest none.
func parseCram(response []byte) (login string, digest []byte, err error) {
	space := bytes.LastIndexByte(response, ' ')
	if space < 0 || len(response) > maxLogin+1+2*md5.Size || !isIdentity(string(response[:space])) {
		return "", nil, ErrSyntax
	}
	digest, err = hex.DecodeString(string(response[space+1:]))
	if err != nil || len(digest) != md5.Size {
		return "", nil, ErrSyntax
	}
	return string(response[:space]), digest, nil
}

// cramDigest is HMAC-MD5 of text, continued from the two states of a key.
func cramDigest(key Key, text []byte) ([]byte, error) {
	inner, err := md5Behind(key.Stored)
	if err != nil {
		return nil, err
	}
	outer, err := md5Behind(key.Server)
	if err != nil {
		return nil, err
	}
	inner.Write(text)
	outer.Write(inner.Sum(nil))
	return outer.Sum(nil), nil
}

// md5Magic begins what crypto/md5 makes of its state: 4 octets, then the four
// words that RFC 1321 section 3.3 calls A to D, most significant octet first,
// then the block that is not full, and the length. That is no part of Go's
// promises; a test compares it with crypto/hmac, and with the digests of RFC 2195.
const md5Magic = "md5\x01"

// md5Behind returns an MD5 that has taken one block and came to state by it.
func md5Behind(state []byte) (hash.Hash, error) {
	h := md5.New()
	h.Write(make([]byte, md5.BlockSize)) // of which the length stays
	text, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || !bytes.HasPrefix(text, []byte(md5Magic)) {
		return nil, trouble("the state of MD5 is not of the form that is known")
	}
	copy(text[len(md5Magic):], swapWords(state))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(text); err != nil {
		return nil, trouble("the state of MD5 is not of the form that is known")
	}
	return h, nil
}

// md5State returns the state of MD5 behind a block.
func md5State(block []byte) []byte {
	h := md5.New()
	h.Write(block)
	text, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || !bytes.HasPrefix(text, []byte(md5Magic)) {
		return nil
	}
	return swapWords(text[len(md5Magic):][:md5.Size])
}

// swapWords turns the order of the octets in each of four words.
func swapWords(state []byte) []byte {
	swapped := make([]byte, 0, md5.Size)
	for i := 0; i < md5.Size; i += 4 {
		swapped = binary.LittleEndian.AppendUint32(swapped, binary.BigEndian.Uint32(state[i:]))
	}
	return swapped
}

// CramKey turns a password into its key for CRAM-MD5, which is as good as the
// password itself: the states of MD5 behind the two pads of HMAC (RFC 2104
// section 4). The password is prepared by the caller.
func CramKey(password string) Key {
	const innerPad, outerPad = 0x36, 0x5c
	key := []byte(password)
	if len(key) > md5.BlockSize {
		sum := md5.Sum(key)
		key = sum[:]
	}
	var inner, outer [md5.BlockSize]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range inner {
		inner[i] ^= innerPad
		outer[i] ^= outerPad
	}
	return Key{Stored: md5State(inner[:]), Server: md5State(outer[:])}
}

package rules

import (
	"fmt"
	"net/netip"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The types that CEL does not have.
var (
	addressType = cel.OpaqueType("address")
	headerType  = cel.OpaqueType("header")
)

// address is an IP address as a value of CEL.
type address struct{ netip.Addr }

// ConvertToNative implements ref.Val.
func (a address) ConvertToNative(t reflect.Type) (any, error) {
	if t == reflect.TypeFor[netip.Addr]() {
		return a.Addr, nil
	}
	return nil, fmt.Errorf("an address is no %v", t)
}

// ConvertToType implements ref.Val.
func (a address) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(a.Addr.String())
	case types.TypeType:
		return addressType
	}
	return types.NewErr("an address is no %s", t.TypeName())
}

// Equal implements ref.Val.
func (a address) Equal(other ref.Val) ref.Val {
	b, is := other.(address)
	return types.Bool(is && a.Addr == b.Addr)
}

// Type implements ref.Val.
func (a address) Type() ref.Type { return addressType }

// Value implements ref.Val.
func (a address) Value() any { return a.Addr }

// header is the header of a message as a value of CEL.
type header struct{ of Header }

// first returns the first field of a name, "" where there is none.
func (h header) first(name string) string {
	if h.of == nil {
		return ""
	}
	for _, v := range h.of.Values(name, 1, maxField) {
		return v
	}
	return ""
}

// values returns the first fields of a name.
func (h header) values(name string) []string {
	if h.of == nil {
		return nil
	}
	return h.of.Values(name, maxFields, maxField)
}

// count returns how many fields of a name there are.
func (h header) count(name string) int {
	if h.of == nil {
		return 0
	}
	return h.of.Count(name)
}

// ConvertToNative implements ref.Val.
func (h header) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a header is no %v", t)
}

// ConvertToType implements ref.Val.
func (h header) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return headerType
	}
	return types.NewErr("a header is no %s", t.TypeName())
}

// Equal implements ref.Val. There is one header alone.
func (h header) Equal(other ref.Val) ref.Val {
	_, is := other.(header)
	return types.Bool(is)
}

// Type implements ref.Val.
func (h header) Type() ref.Type { return headerType }

// Value implements ref.Val.
func (h header) Value() any { return h.of }

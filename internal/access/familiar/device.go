package familiar

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/fault"
)

// EachDevice is of how many devices it is known that a login came in by them from one network.
const EachDevice = 4

// Device stands for what a device calls itself, by a keyed digest that is the same on all gates of a
// store; 0 for one that says nothing. Other logins have other ones of the same name.
type Device uint32

// Use is when a login came in by a device last, in seconds since 1970, which fits until 2106.
type Use struct {
	Device Device
	At     uint32
}

// UseAt makes a Use.
func UseAt(d Device, at time.Time) Use { return Use{d, uint32(max(0, min(at.Unix(), 1<<32-1)))} }

// MergeUses puts together what two gates know of the devices by which a login came in from a network:
// the last EachDevice of them, each once, the last one first. It comes to the same whichever comes
// first, and however often.
func MergeUses(a, b []Use) []Use {
	out := make([]Use, 0, len(a)+len(b))
	for _, list := range [][]Use{a, b} {
		for _, u := range list {
			if i := slices.IndexFunc(out, func(o Use) bool { return o.Device == u.Device }); i >= 0 {
				out[i].At = max(out[i].At, u.At)
			} else if u.Device != 0 {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, order)
	if len(out) == 0 {
		return nil
	}
	return out[:min(len(out), EachDevice)]
}

// order has the last one first.
func order(a, b Use) int {
	if a.At != b.At {
		return int(int64(b.At) - int64(a.At))
	}
	return int(int64(a.Device) - int64(b.Device))
}

// CheckUses refuses, as fault.Invalid, a list that MergeUses cannot have made.
func CheckUses(list []Use) error {
	if len(list) > EachDevice || !slices.Equal(MergeUses(list, nil), list) {
		return fault.New("familiar.uses", fault.Invalid, "%d devices are not each once, %d at most, the last one first", len(list), EachDevice)
	}
	return nil
}

// useSize is how many octets a Use has when it is stored.
const useSize = 4 + 4

// PackUses returns the octets that stand for devices in a store; nil for none.
func PackUses(list []Use) (out []byte) {
	for _, u := range list {
		out = binary.BigEndian.AppendUint32(out, uint32(u.Device))
		out = binary.BigEndian.AppendUint32(out, u.At)
	}
	return out
}

// UnpackUses undoes PackUses. Errors: fault.Corrupt for what it cannot have made of what CheckUses
// passes.
func UnpackUses(stored []byte) (list []Use, err error) {
	if len(stored)%useSize != 0 || len(stored) > EachDevice*useSize {
		return nil, fault.New("familiar.unpack", fault.Corrupt, "%d octets are no devices", len(stored))
	}
	for b := stored; len(b) > 0; b = b[useSize:] {
		list = append(list, Use{Device(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:])})
	}
	if CheckUses(list) != nil {
		return nil, fault.New("familiar.unpack", fault.Corrupt, "the devices are not in order")
	}
	return list, nil
}

// Use notes by which device a login has come in from a network, after Add. The one is forgotten that
// was used longest ago. It reports whether that is to be stored: where it is new, EachDevice times a
// day, and only of networks that are stored themselves. When a known one was used last is stored with
// the network, once a day.
func (k *Networks) Use(login string, p netip.Prefix, u Use) (worth bool) {
	v := k.visit(login, p)
	if v == nil || !v.met(u) || v.hidden || v.told >= EachDevice {
		return false
	}
	v.told++
	return true
}

// Heard notes what is stored of the devices by which a login came in from a network, after Add.
func (k *Networks) Heard(login string, p netip.Prefix, list []Use) {
	v := k.visit(login, p)
	if v == nil {
		return
	}
	v.hidden = false
	for _, u := range list {
		v.met(u)
	}
}

// met notes a device, and reports whether it is new and among the last ones.
func (v *visit) met(u Use) (isNew bool) {
	is := func(o Use) bool { return o.Device == u.Device }
	before := v.list()
	merged := MergeUses(before, []Use{u})
	v.devices = [EachDevice]Use{}
	copy(v.devices[:], merged)
	return !slices.ContainsFunc(before, is) && slices.ContainsFunc(merged, is)
}

// list are the devices of a visit.
func (v *visit) list() []Use {
	n := slices.IndexFunc(v.devices[:], func(u Use) bool { return u.Device == 0 })
	if n < 0 {
		n = EachDevice
	}
	return slices.Clone(v.devices[:n])
}

// Devices returns those that a login has come in by from a network, the last one first.
func (k *Networks) Devices(login string, p netip.Prefix) []Use {
	if v := k.visit(login, p); v != nil {
		return v.list()
	}
	return nil
}

// By returns the devices that a login has come in by from any network since a time, in no order and
// each once.
func (k *Networks) By(login string, since time.Time) (list []Device) {
	for _, v := range k.of[k.login(login)] {
		for _, u := range v.devices {
			if u.Device != 0 && int64(u.At) > since.Unix() && !slices.Contains(list, u.Device) {
				list = append(list, u.Device)
			}
		}
	}
	return list
}

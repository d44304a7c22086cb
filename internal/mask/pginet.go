// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"net/netip"
)

// The binary form of inet and cidr (network_send): family, bits of the network,
// whether it is a cidr, length of the address, address.
const (
	inetHeader = 4
	inetFour   = 2
	inetSix    = 3
)

// longestInet is the length of the longest text of an address with its network.
const longestInet = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")

// maskInet applies the operator to a network address.
func (t *pgScalar) maskInet(w *pgWork, dst, v []byte) ([]byte, pgOutcome) {
	var p netip.Prefix
	var ok bool
	if t.binary {
		p, ok = decodeInet(v)
	} else {
		p, ok = parseInet(v)
	}
	if !ok {
		return dst, undecodable
	}
	p, ok = t.op.Prefix(p, &w.text.Row)
	if !ok || !p.IsValid() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
		return dst, unanswered
	}
	isCIDR := t.oid == oidCIDR
	if isCIDR {
		p = p.Masked() // a cidr has no bits behind its network
	}
	if t.binary {
		family, cidr := byte(inetFour), byte(0)
		if p.Addr().Is6() {
			family = inetSix
		}
		if isCIDR {
			cidr = 1
		}
		dst = append(dst, family, byte(p.Bits()), cidr, byte(p.Addr().BitLen()/8))
		return appendAddr(dst, p.Addr()), answered
	}
	if !isCIDR && p.IsSingleIP() {
		return p.Addr().AppendTo(dst), answered
	}
	return p.AppendTo(dst), answered
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(dst, b[:]...)
	}
	b := a.As16()
	return append(dst, b[:]...)
}

func decodeInet(v []byte) (netip.Prefix, bool) {
	if len(v) < inetHeader || int(v[3]) != len(v)-inetHeader {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(v[inetHeader:])
	p := netip.PrefixFrom(a, int(v[1]))
	family := byte(inetFour)
	if a.Is6() {
		family = inetSix
	}
	return p, ok && v[0] == family && p.IsValid()
}

func parseInet(v []byte) (netip.Prefix, bool) {
	if len(v) > longestInet {
		return netip.Prefix{}, false
	}
	if bytes.IndexByte(v, '/') >= 0 {
		p, err := netip.ParsePrefix(string(v))
		return p, err == nil
	}
	a, err := netip.ParseAddr(string(v))
	return netip.PrefixFrom(a, a.BitLen()), err == nil && a.Zone() == ""
}

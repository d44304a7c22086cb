// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// codeLength is the number of characters of a keyed hash in text: 130 bits.
const codeLength = 26

var codes = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// code appends the keyed hash of v, with a token's prefix.
func (o *Operator) code(dst, v []byte) []byte {
	sum := o.mac.of(v)
	if o.spec.Kind == Token {
		dst = append(dst, "tok_"...)
		dst = append(dst, o.spec.Domain...)
		dst = append(dst, '_')
		dst = strconv.AppendInt(dst, int64(o.keys.Current()), 10)
		dst = append(dst, '_')
	}
	const bytes = codeLength*5/8 + 1
	return codes.AppendEncode(dst, sum[:bytes])[:len(dst)+codeLength]
}

// codeInt hashes the integer's decimal text, so that an integer and the same
// number in another width of column give the same.
func (o *Operator) codeInt(v int64) int64 {
	sum := o.mac.of(strconv.AppendInt(make([]byte, 0, 20), v, 10))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// codeDecimal is codeInt for a whole number.
func (o *Operator) codeDecimal(dst, v []byte) ([]byte, bool) {
	d, ok := parseDecimal(v)
	if !ok || d.scale != 0 {
		return dst, false
	}
	return strconv.AppendInt(dst, o.codeInt(d.n), 10), true
}

// codeUUID makes a UUID of version 8 (RFC 9562) from the hash of the UUID's text.
func (o *Operator) codeUUID(v [16]byte) (out [16]byte) {
	sum := o.mac.of(appendUUID(make([]byte, 0, 36), v))
	copy(out[:], sum[:])
	out[6] = out[6]&0x0f | 0x80
	out[8] = out[8]&0x3f | 0x80
	return out
}

// appendUUID appends the usual text of a UUID.
func appendUUID(dst []byte, v [16]byte) []byte {
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			dst = append(dst, '-')
		}
		at := [...]int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, v[at:at+n])
	}
	return dst
}

// parseUUID is the inverse of appendUUID, for either case.
func parseUUID(s string) (out [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return out, false
	}
	b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	copy(out[:], b)
	return out, err == nil
}

// surrogate appends an invented name. There are about four thousand, so that two
// values can have the same.
func (o *Operator) surrogate(dst, v []byte) []byte {
	sum := o.mac.of(v)
	n := binary.BigEndian.Uint64(sum[:])
	dst = append(dst, firstWords[n%uint64(len(firstWords))]...)
	dst = append(dst, ' ')
	return append(dst, lastWords[n>>32%uint64(len(lastWords))]...)
}

// The words of invented names. They are chosen to be nobody's.
var firstWords = [...]string{
	"Alder", "Anwick", "Arvel", "Bellam", "Birk", "Brindle", "Calder", "Carrow", "Cindel", "Corvin", "Dallow", "Darrel",
	"Dovel", "Eddis", "Elmet", "Embry", "Fallow", "Fenner", "Ferrow", "Galen", "Garrick", "Gorse", "Hadley", "Harrow",
	"Hazel", "Indel", "Isbel", "Jessom", "Jorin", "Kestrel", "Kirrel", "Larch", "Linden", "Lorrin", "Marlow", "Merrin",
	"Mossel", "Nettle", "Norrin", "Oakley", "Orrin", "Pellam", "Perrin", "Quill", "Ravel", "Rowan", "Sable", "Sedge",
	"Sorrel", "Tamsel", "Tarrow", "Teasel", "Ulmer", "Umber", "Varrel", "Vesper", "Willow", "Wren", "Yarrow", "Yewel",
	"Zelby", "Zinnel", "Thistle", "Bracken",
}

var lastWords = [...]string{
	"Amberwick", "Ashcombe", "Barrowby", "Bexholm", "Brackwell", "Cobbeldon", "Cranmoor", "Dapplewood", "Deepwick", "Dunnerby",
	"Elderholm", "Emberley", "Farthingby", "Fennimoor", "Foxcombe", "Gattermoor", "Glimwick", "Gorseby", "Hallowdene", "Hartcombe",
	"Hexwell", "Inglemoor", "Ivelby", "Jackdawley", "Jutwell", "Kestleby", "Knollwick", "Lanternby", "Larkmoor", "Lowcombe",
	"Mapplewick", "Marshwell", "Millerdene", "Nabberly", "Netherwick", "Northmoor", "Oddleby", "Orchardene", "Otterwell", "Pebbleby",
	"Pendlewick", "Plumcombe", "Quarrymoor", "Quenby", "Rattlewick", "Ridgeholm", "Rushcombe", "Saddlewick", "Shalemoor", "Stonewell",
	"Tallowby", "Thornwick", "Tupperdene", "Umberley", "Underwell", "Vadderby", "Vinnercombe", "Wadderley", "Weirholm", "Wickerby",
	"Yaddlemoor", "Yonderwell", "Zebberly", "Zimmerdene",
}

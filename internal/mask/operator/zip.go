// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "bytes"

// zip3Kept has a bit for each three-digit ZIP area whose first three digits may
// be shown: those in which more than 20,000 people lived by the census of 2020,
// without the seventeen that the Department of Health and Human Services named
// after the census of 2000. Areas that no table knows have none.
//
// Made from the populations of ZIP code tabulation areas of data.census.gov
// (table DHC P1, 2020): 871 of the 894 areas that it has. Without a bit are, of
// 2020: 036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893;
// and of 2000 only: 063 790 830 831 890.
var zip3Kept = [16]uint64{
	0x777fffeffffffec0, 0xffffffb003ffffff, 0xffffffffffffffff, 0xffffffffffdfc3fe,
	0xff7fffffffffdfff, 0xff7dfffded6fefff, 0xffffcff7ffff7fff, 0xdffffffffffff7ff,
	0xfcffe6fffeddff1f, 0xfeffdfffffffdff3, 0xb02ffbffff77fdf3, 0xfffdffbfcffff7df,
	0x3f51ffffffbfffe7, 0xc80f2ec39bbcfb7f, 0xffffbbfdffffdfd6, 0x000000fff7fffd83,
}

// area returns the first three digits of a ZIP code as they may be shown: 0 for
// those that may not.
func area(zip3 int64) int64 {
	if zip3Kept[zip3/64]&(1<<(zip3%64)) == 0 {
		return 0
	}
	return zip3
}

// zipInt takes five digits, or nine, that lost their leading zeros.
func zipInt(v int64) (int64, bool) {
	switch {
	case v < 0 || v > 999_999_999:
		return 0, false
	case v > 99_999:
		v /= 10_000
	}
	return area(v/100) * 100, true
}

// zipText takes "12345", "12345-6789", "12345 6789" and "123456789".
func zipText(dst, v []byte) ([]byte, bool) {
	v = bytes.TrimSpace(v)
	n, rest := leadingDigits(v)
	switch {
	case n == 9 && len(rest) == 0, n == 5 && len(rest) == 0:
	case n == 5 && len(rest) == 5 && (rest[0] == '-' || rest[0] == ' '):
		if n, _ := leadingDigits(rest[1:]); n != 4 {
			return dst, false
		}
	default:
		return dst, false
	}
	return padded(dst, area(integer(v[:3]))*100, 5), true
}

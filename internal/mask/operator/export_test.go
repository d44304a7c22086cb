// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

// FF1 encrypts or decrypts numerals of a radix in place; it reports whether they
// have a length that FF1 may be used for.
func FF1(key []byte, radix int, tweak, x []byte, decrypt bool) (bool, error) {
	f, err := newFF1(key, radix, tweak)
	if err != nil || !f.fits(x) {
		return false, err
	}
	f.permute(x, decrypt)
	return true, nil
}

// FF1Wide is FF1 by the arithmetic of strings whose halves are more than 64 bits.
func FF1Wide(key []byte, radix int, tweak, x []byte, decrypt bool) (bool, error) {
	f, err := newFF1(key, radix, tweak)
	if err != nil || !f.fits(x) {
		return false, err
	}
	f.wide(x, decrypt)
	return true, nil
}

// ZIP3Kept reports whether three digits of a ZIP code may be shown.
func ZIP3Kept(zip3 int) bool { return zip3Kept[zip3/64]&(1<<(zip3%64)) != 0 }

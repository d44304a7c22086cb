// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

const radix36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// TestFF1Samples replays the nine FF1 samples that NIST publishes with
// SP 800-38G.
func TestFF1Samples(t *testing.T) {
	t.Parallel()
	const (
		key128 = "2B7E151628AED2A6ABF7158809CF4F3C"
		key192 = key128 + "EF4359D8D580AA4F"
		key256 = key192 + "7F036D6F04FC6A94"
		tweak  = "39383736353433323130"
		tweak3 = "3737373770717273373737"
		plain  = "0123456789"
		plain3 = "0123456789abcdefghi"
	)
	for _, tt := range []struct {
		name, key, tweak string
		radix            int
		plain, cipher    string
	}{
		{"1", key128, "", 10, plain, "2433477484"},
		{"2", key128, tweak, 10, plain, "6124200773"},
		{"3", key128, tweak3, 36, plain3, "a9tv40mll9kdu509eum"},
		{"4", key192, "", 10, plain, "2830668132"},
		{"5", key192, tweak, 10, plain, "2496655549"},
		{"6", key192, tweak3, 36, plain3, "xbj3kv35jrawxv32ysr"},
		{"7", key256, "", 10, plain, "6657667009"},
		{"8", key256, tweak, 10, plain, "1001623463"},
		{"9", key256, tweak3, 36, plain3, "xs8a0azh2avyalyzuwd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := hex.DecodeString(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			tw, err := hex.DecodeString(tt.tweak)
			if err != nil {
				t.Fatal(err)
			}
			for name, ff1 := range map[string]func([]byte, int, []byte, []byte, bool) (bool, error){"chosen": operator.FF1, "wide": operator.FF1Wide} {
				x := numerals(tt.plain)
				if ok, err := ff1(key, tt.radix, tw, x, false); !ok || err != nil {
					t.Fatal(ok, err)
				}
				if got := text(x); got != tt.cipher {
					t.Errorf("%s: %s encrypted is %s, want %s", name, tt.plain, got, tt.cipher)
				}
				if ok, err := ff1(key, tt.radix, tw, x, true); !ok || err != nil {
					t.Fatal(ok, err)
				}
				if got := text(x); got != tt.plain {
					t.Errorf("%s: %s decrypted is %s, want %s", name, tt.cipher, got, tt.plain)
				}
			}
		})
	}
}

func numerals(s string) []byte {
	x := []byte(s)
	for i := range x {
		x[i] = byte(strings.IndexByte(radix36, x[i]))
	}
	return x
}

func text(x []byte) string {
	b := bytes.Clone(x)
	for i := range b {
		b[i] = radix36[b[i]]
	}
	return string(b)
}

// TestFF1Domain holds the bound of a million strings and the longest string.
func TestFF1Domain(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for _, tt := range []struct {
		radix, n int
		want     bool
	}{
		{10, 5, false},
		{10, 6, true},
		{26, 4, false},
		{26, 5, true},
		{62, 3, false},
		{62, 4, true},
		{2, 19, false},
		{2, 20, true},
		{256, 2, false},
		{256, 3, true},
		{10, 128, true},
		{10, 129, false},
	} {
		if got, err := operator.FF1(key, tt.radix, nil, make([]byte, tt.n), false); got != tt.want || err != nil {
			t.Errorf("radix %d, %d numerals: %v, %v, want %v", tt.radix, tt.n, got, err, tt.want)
		}
	}
}

// FuzzFF1 decrypts what it encrypts, and both ways of calculating agree.
func FuzzFF1(f *testing.F) {
	f.Add([]byte("0123456789"), []byte("tweak"), byte(10))
	f.Add([]byte("0123456789abcdefghi"), []byte{}, byte(36))
	f.Add(bytes.Repeat([]byte{0xff}, 39), bytes.Repeat([]byte{7}, 40), byte(10))
	f.Add(bytes.Repeat([]byte{1}, 128), []byte{1}, byte(62))
	f.Fuzz(func(t *testing.T, in, tweak []byte, radix byte) {
		if radix < 2 {
			return
		}
		plain := bytes.Clone(in)
		for i := range plain {
			plain[i] %= radix
		}
		key := bytes.Repeat([]byte{42}, 32)
		x, wide := bytes.Clone(plain), bytes.Clone(plain)
		ok, err := operator.FF1(key, int(radix), tweak, x, false)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return
		}
		if _, err := operator.FF1Wide(key, int(radix), tweak, wide, false); err != nil || !bytes.Equal(x, wide) {
			t.Fatalf("%v is %v, and %v by wide arithmetic: %v", plain, x, wide, err)
		}
		for _, d := range x {
			if d >= radix {
				t.Fatalf("the numeral %d is not below %d", d, radix)
			}
		}
		if _, err := operator.FF1(key, int(radix), tweak, x, true); err != nil || !bytes.Equal(x, plain) {
			t.Fatalf("decrypted to %v, want %v: %v", x, plain, err)
		}
	})
}

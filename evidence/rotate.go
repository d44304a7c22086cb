// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A change of the keys that sign a log is a signed note: the header, the log's
// origin, and the verifier keys that are valid from then on, one a line. It is
// signed by all keys that are in use at the change, old and new, so that whoever
// trusts an old key can come to trust the new ones without asking anybody.
const rotationHeader = "sallyport.dev/key-rotation/v1"

// maxKeys bounds the keys of one log at one time.
const maxKeys = 16

// RotationText is the text of a note that says which keys are valid from now on.
func RotationText(origin string, keys []string) string {
	return rotationHeader + "\n" + origin + "\n" + strings.Join(keys, "\n") + "\n"
}

// OpenRotation verifies a rotation with keys that are trusted already and
// returns the keys that are valid from then on.
func OpenRotation(signed []byte, origin string, known note.Verifiers) ([]string, error) {
	n, err := note.Open(signed, known)
	if err != nil {
		return nil, fmt.Errorf("the rotation's signature: %w", err)
	}
	keys := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if len(keys) < 3 || len(keys) > maxKeys+2 || n.Text != RotationText(origin, keys[2:]) {
		return nil, fmt.Errorf("it is not a rotation of this log's keys")
	}
	for _, key := range keys[2:] {
		if _, err := note.NewVerifier(key); err != nil {
			return nil, fmt.Errorf("a key in it is malformed")
		}
	}
	return keys[2:], nil
}

// TrustRotations returns the verifiers that follow from trusted ones and a log's
// rotations, in the order of the log. Rotations that no trusted key signed are
// passed over: nobody vouches for them.
func TrustRotations(trusted []note.Verifier, origin string, rotations []string) []note.Verifier {
	known := slices.Clone(trusted)
	for _, r := range rotations {
		keys, err := OpenRotation([]byte(r), origin, note.VerifierList(known...))
		if err != nil {
			continue
		}
		for _, key := range keys {
			v, err := note.NewVerifier(key)
			same := func(k note.Verifier) bool { return k.Name() == v.Name() && k.KeyHash() == v.KeyHash() }
			if err == nil && !slices.ContainsFunc(known, same) {
				known = append(known, v)
			}
		}
	}
	return known
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"

	sallyport "github.com/sallyport-dev/sallyport"
)

// BreakglassRules finds the rules of a policy that are marked.
func BreakglassRules(text string) []sallyport.RuleID { return breakglassRules(text) }

// FitsPattern compares a principal with a pattern of the configuration.
func FitsPattern(pattern, text string) bool { return fitsPattern(pattern, text) }

// MaxSheetRows bounds a sheet.
const MaxSheetRows = maxSheetRows

// ReadBothWays reads a leaf by the short way and by package json alone. short is
// false where the short way leaves it to the other.
func ReadBothWays(raw []byte) (quick, whole any, short bool, err error) {
	type read struct {
		Leaf parsedLeaf
		Body any
	}
	leaf, ok := scanLeaf(raw)
	body := newBody(leaf.Type)
	if !ok || !scanBody(leaf.Body, body) {
		return nil, nil, false, nil
	}
	want, err := ParseLeaf(raw)
	if err != nil {
		return nil, nil, true, err
	}
	wantBody := newBody(want.Type)
	err = json.Unmarshal(want.Body, wantBody)
	return read{leaf, body}, read{want, wantBody}, true, err
}

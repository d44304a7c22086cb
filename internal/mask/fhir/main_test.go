// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

func now() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) }

// masker compiles the masker of a profile of that name, with its own operators
// where entities has some.
func masker(t testing.TB, name string, options ...fhir.Options) *fhir.Masker {
	t.Helper()
	return maskerOf(t, profile.Spec{Name: name}, options...)
}

func maskerOf(t testing.TB, spec profile.Spec, options ...fhir.Options) *fhir.Masker {
	t.Helper()
	keys, err := operator.NewKeys(operator.Key{Version: 1, Secret: []byte("thirty-two bytes of a test's key")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Compile(spec, keys, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var o fhir.Options
	if len(options) > 0 {
		o = options[0]
	}
	m, err := fhir.Compile(&text.Masker{Scanner: s, Profile: p}, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type example struct {
	name string
	doc  []byte
}

// examples returns HL7's published examples where the checkout has them beside
// it, and the synthetic ones of this package always.
func examples(t testing.TB) []example {
	t.Helper()
	public, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "shared", "data", "phi", "fhir-r4-examples", "*-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(public) == 0 {
		t.Log("THE PUBLISHED EXAMPLES OF FHIR R4 ARE NOT HERE; only those of testdata are checked")
	}
	own, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(own) == 0 {
		t.Fatalf("testdata has no examples: %v", err)
	}
	var out []example
	for _, path := range append(public, own...) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, example{filepath.Base(path), b})
	}
	return out
}

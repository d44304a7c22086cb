// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/policy"
)

// TestReferenceExamples compiles every example of the reference without a
// warning, and runs its case.
func TestReferenceExamples(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/reference/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks, cases int
	for i, part := range strings.Split(string(b), "```") {
		if lang, text, _ := strings.Cut(part, "\n"); i%2 == 1 && lang == "cedar" {
			blocks++
			if _, diags := policy.Compile([]policy.File{{Name: "example", Text: text}}); len(diags) > 0 {
				t.Errorf("%s\n%s", text, diags)
			}
		} else if i%2 == 1 && lang == "yaml" {
			found, diags := policy.ParseCases(policy.File{Name: "policy.md", Text: text})
			if len(diags) > 0 {
				t.Error(diags)
			}
			cases += len(found)
			set, _ := policy.Compile([]policy.File{policy.Starter()})
			for _, r := range policy.RunCases(set, found) {
				if !r.Passed() {
					t.Errorf("%s: %v", r.Case.Name, r.Problems)
				}
			}
		}
	}
	if blocks < 8 || cases != 1 {
		t.Errorf("found %d examples and %d cases", blocks, cases)
	}
}

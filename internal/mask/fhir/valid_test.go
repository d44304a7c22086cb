// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// version5 are our examples that are of R5, which the validator does not know.
var version5 = map[string]bool{"encounter-r5.json": true}

// TestValid asks another implementation, Google's, whether masked resources are
// resources of R4: known elements only, required ones there, values of the right
// form. An example that it refuses before masking it has to refuse for the same
// reason after.
func TestValid(t *testing.T) {
	var in bytes.Buffer
	line := func(doc []byte) {
		if err := json.Compact(&in, doc); err != nil {
			t.Fatal(err)
		}
		in.WriteByte('\n')
	}
	var docs []example
	for _, e := range examples(t) {
		if !version5[e.name] {
			docs = append(docs, e)
			line(e.doc)
		}
	}
	var masked []example
	for _, name := range []string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow} {
		for _, o := range []fhir.Options{{}, {Scan: []string{"*"}}} {
			m := masker(t, name, o)
			var w text.Work
			for _, e := range docs {
				got, err := m.Append(nil, e.doc, &w)
				if err != nil {
					t.Fatalf("%s, %s: %v", name, e.name, err)
				}
				masked = append(masked, example{name + ", " + e.name, got})
				line(got)
			}
		}
	}
	reasons := validate(t, &in)
	if len(reasons) != len(docs)+len(masked) {
		t.Fatalf("%d answers for %d documents", len(reasons), len(docs)+len(masked))
	}
	valid := 0
	for i, e := range masked {
		before, after := reasons[i%len(docs)], reasons[len(docs)+i]
		switch {
		case after == "":
			valid++
		case before == "":
			t.Errorf("%s: valid before, and after masking: %s\n%s", e.name, after, e.doc)
		case before != after:
			t.Errorf("%s: %s; after masking: %s", e.name, before, after)
		}
	}
	t.Logf("%d of %d masked examples are valid R4; the others were refused for the same reason before", valid, len(masked))
}

// validate runs test/fhirvalid.
func validate(t *testing.T, in *bytes.Buffer) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = filepath.Join("..", "..", "..", "test", "fhirvalid")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("test/fhirvalid: %v\n%s", err, &stderr)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"errors"
	"io"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestRewrite holds that pieces come in order, that errors of both sides end it, and
// that what was found is counted.
func TestRewrite(t *testing.T) {
	t.Parallel()
	like := mask.Count{Output: 2, Columns: []string{"b/o"}, Reason: "label", Profile: "p"}
	var got []byte
	counts, err := mask.Rewrite(like, func(w *text.Work, out io.Writer) error {
		w.Tally.Add(text.Key{Rule: "column", Entity: scan.SSN, Operator: operator.Redact, Locus: "ssn"}, 3)
		for _, piece := range []string{"a", "bc"} {
			if n, err := io.WriteString(out, piece); n != len(piece) || err != nil {
				return err
			}
		}
		return nil
	}, func(m mask.Masked) error {
		got = m.AppendTo(got)
		return nil
	})
	if err != nil || string(got) != "abc" || len(counts) != 2 {
		t.Fatalf("%q, %+v, %v", got, counts, err)
	}
	if whole, found := counts[0], counts[1]; whole.Masked != 1 || whole.Reason != "label" || whole.Output != 2 || found.Hits != 3 ||
		found.Entity != "SSN" || found.Locus != "ssn" || found.Reason != mask.ReasonFinding {
		t.Errorf("counts %+v", counts)
	}
	full := errors.New("full")
	write := func(_ *text.Work, out io.Writer) error {
		_, err := io.WriteString(out, "a")
		return err
	}
	if counts, err := mask.Rewrite(like, write, func(mask.Masked) error { return full }); !errors.Is(err, full) || counts != nil {
		t.Errorf("%+v, %v", counts, err)
	}
	if got := mask.Restored([]byte("x")); string(got.AppendTo(nil)) != "x" {
		t.Errorf("restored %q", got.AppendTo(nil))
	}
}

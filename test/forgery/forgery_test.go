// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package forgery_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/test/forgery"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTwelveManipulations gives them to the verifier in Go.
func TestTwelveManipulations(t *testing.T) {
	t.Parallel()
	l, cases := forgery.Cases(t)
	names := map[string]bool{}
	for _, c := range cases {
		names[c.Name] = true
		opt := evidence.Options{Keys: []string{l.Key}, Checkpoints: c.Checkpoints}
		if c.Policy != nil {
			policy, err := evidence.ParseTrustPolicy(c.Policy)
			if err != nil {
				t.Fatal(err)
			}
			opt.Policy = policy
		}
		r, err := evidence.Verify(bytes.NewReader(c.Bundle), int64(len(c.Bundle)), opt)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range r.Faults {
			found = found || f.File == c.File && strings.Contains(f.Msg, c.Words)
		}
		if !found {
			t.Errorf("%v: no fault in %s with %q among %v", c, c.File, c.Words, r.Faults)
		}
	}
	if len(names) != 12 {
		t.Errorf("%d manipulations", len(names))
	}
}

// TestHonest checks that nothing is wrong with what is manipulated.
func TestHonest(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	l.Crash()
	for _, f := range []export.Filter{{}, {Session: "s_one"}, {Resource: "lab"}} {
		b := l.Bundle(f)
		r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{l.Key}, SealKeys: []evidence.SealKey{l.SealKey}})
		if err != nil || !r.OK() || r.SealsChecked != r.Seals {
			t.Errorf("%v: %v, %+v", f, err, r)
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
)

// What is read of a bundle is what its verification counted.
func TestReadBundle(t *testing.T) {
	t.Parallel()
	bundle, vkey := sample(t)
	opt := evidence.Options{Keys: []string{vkey}}
	r, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []evidence.Options{opt, {}} {
		c, err := evidence.Read(bytes.NewReader(bundle), int64(len(bundle)), opt)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Leaves) != r.Leaves || c.Checkpoint.Origin != r.Origin || c.Checkpoint.Size != r.TreeSize || c.Checkpoint.Root.String() != r.Root {
			t.Errorf("%d leaves, checkpoint %+v; the report has %d and %s", len(c.Leaves), c.Checkpoint, r.Leaves, r.Root)
		}
	}
	const other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
	for name, opt := range map[string]evidence.Options{"another key": {Keys: []string{other}}, "no key": {Keys: []string{"x"}}} {
		if _, err := evidence.Read(bytes.NewReader(bundle), int64(len(bundle)), opt); err == nil {
			t.Errorf("%s: the bundle is read", name)
		}
	}
	if _, err := evidence.Read(bytes.NewReader(bundle), int64(len(bundle)/2), evidence.Options{}); err == nil {
		t.Error("half a bundle is read")
	}
}

func FuzzRead(f *testing.F) {
	bundle, vkey := sample(f)
	f.Add(bundle)
	f.Add(bundle[:len(bundle)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := evidence.Read(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{vkey}})
		if err == nil && c.Checkpoint.Origin == "" {
			t.Error("a bundle without a log was read")
		}
	})
}

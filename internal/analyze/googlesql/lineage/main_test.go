// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lineage_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/lineage"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts an analyser that ends with the test.
func start(t *testing.T) *lineage.Analyser {
	t.Helper()
	a, err := lineage.Start(t.Context(), lineage.Config{Path: bqanalyzer.Binary(t), Timeout: time.Minute, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

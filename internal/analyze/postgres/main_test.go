// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"os"
	"testing"

	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Wrap(m).Run()) }

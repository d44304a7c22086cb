// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e_test runs whole gateways with real clients in front of them and
// real PostgreSQL servers behind them.
package e2e_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

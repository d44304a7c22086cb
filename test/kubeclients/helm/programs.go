// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build programs

// Package helm pins Helm, which the tests build and have work through the gateway.
package helm

import (
	_ "helm.sh/helm/v3/cmd/helm"
)

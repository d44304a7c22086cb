// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build programs

// Package server pins the programs of Kubernetes that test/scripts/install-kubernetes
// builds: the API server and kubectl of one release. They are a module of their own,
// whose replacements stand in for the versions that Kubernetes' own go.mod leaves open.
package server

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)

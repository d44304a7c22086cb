// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubebench measures the connector for Kubernetes beside the API server
// without a gateway, in one run on one machine:
//
//	make bench-kubernetes
//
// The cluster is that of test/kubepeer: the real API server and etcd, with a node that
// prints logs from memory and runs commands as programs of this machine. All of them,
// the client and the gateway share the machine's processors.
package kubebench

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sshbench measures the connector for SSH beside OpenSSH's server without a
// gateway, in one run on one machine:
//
//	make bench-ssh
//
// Commands are run by a client in this process, files are carried by OpenSSH's sftp.
// The server, the client and the gateway share the machine's processors.
package sshbench

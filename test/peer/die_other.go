// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package peer

import "os/exec"

// dieWithParent does nothing where the kernel cannot.
func dieWithParent(*exec.Cmd) {}

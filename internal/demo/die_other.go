// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package demo

import "syscall"

// dieWithParent does nothing here: only Linux can tie a child to its parent's
// life.
func dieWithParent(*syscall.SysProcAttr) {}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import "syscall"

// dieWithParent has the kernel kill the gateway when this process is killed, so
// that none outlives a killed demonstration.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

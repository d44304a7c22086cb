// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgcluster

import "syscall"

// dieWithParent has the kernel stop the server when this process is killed, so
// that no server outlives a killed demo or test.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

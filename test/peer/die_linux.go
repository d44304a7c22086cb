// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end a child when this process ends in whatever way.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// child is a process that goes on in the background.
type child struct {
	proc *os.Process
	done chan struct{} // closed when the process has ended
	err  error         // how; set before done is closed
}

// launch starts a process. The kernel kills it when this one is killed, unless it
// ends by itself at the end of its standard input.
func launch(cmd *exec.Cmd, byItself bool) (*child, error) {
	// Its own group: an interrupt at the terminal ends the demonstration, which
	// then ends the process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !byItself {
		dieWithParent(cmd.SysProcAttr)
	}
	started := make(chan error)
	c := &child{done: make(chan struct{})}
	go func() {
		// The kernel sends the signal of dieWithParent when the starting thread
		// ends, so this goroutine keeps its thread until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		err := cmd.Start()
		c.proc = cmd.Process
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.done
		return nil, err
	}
	return c, nil
}

// kill ends the process as a crash would, and waits for it.
func (c *child) kill() error {
	err := c.proc.Kill()
	<-c.done
	return err
}

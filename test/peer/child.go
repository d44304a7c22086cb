// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"os/exec"
	"runtime"
	"time"
)

// Child is a running program of somebody else's, which knows nothing of [Start]'s
// line and standard input.
type Child struct {
	diagnostics log
	ended       chan struct{}
}

// Run runs a program until the test's clean-up, which kills it by its id. It
// does not outlive this process either.
func Run(t T, program string, args ...string) *Child {
	t.Helper()
	c := &Child{ended: make(chan struct{})}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = Environment(t), t.TempDir(), time.Second
	cmd.Stdout, cmd.Stderr = &c.diagnostics, &c.diagnostics
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// The kernel ends a child with the thread that started it, not the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it was killed
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-c.ended
	})
	return c
}

// Ended is closed when the program has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Said is what the program has printed.
func (c *Child) Said() string { return c.diagnostics.String() }

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
)

const (
	listenDeadline = 60 * time.Second
	endDeadline    = 20 * time.Second
)

// child is a started server and the port of 127.0.0.1 that it listens on.
type child struct {
	name string
	port int
	log  string // file of its output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // set before done is closed
}

// startChild runs cmd with its output in a file and returns when it listens.
func startChild(ctx context.Context, name string, cmd *exec.Cmd, port int, log string) (*child, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	err = cmd.Start()
	if cerr := out.Close(); err == nil { // the child has its own descriptor
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	c := &child{name: name, port: port, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = cmd.Wait()
	}()
	if err := c.listening(ctx); err != nil {
		return nil, fmt.Errorf("%w (%w)", err, c.end())
	}
	return c, nil
}

// listening returns when the child accepts connections.
func (c *child) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listenDeadline)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", net.JoinHostPort(pgcluster.Host, strconv.Itoa(c.port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			return fmt.Errorf("%s does not listen", c.name)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w; its output ends: %s", c.name, err, logTail(c.log))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// end asks the child to end, then makes it, and returns when it has. It returns
// an error when the child had failed or had to be made.
func (c *child) end() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s had ended: %v; its output ends: %s", c.name, c.err, logTail(c.log))
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(endDeadline):
	}
	err := c.cmd.Process.Kill()
	<-c.done
	if err == nil {
		err = fmt.Errorf("%s did not end when asked to", c.name)
	}
	return err
}

// account returns ids for a server that refuses to run as root, or ok false when
// the caller is not root.
func account() (cred syscall.Credential, ok bool, err error) {
	if os.Geteuid() != 0 {
		return cred, false, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, true, nil
		}
	}
	return cred, false, fmt.Errorf("PgBouncer refuses to run as root, and there is no account postgres or nobody")
}

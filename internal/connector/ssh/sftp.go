// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"io"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh/sftp"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// sftp serves the subsystem of that name, which the client has asked for. It runs in
// the channel's own goroutine until the channel ends; ctx ends with the channel, and
// its cause says why.
func (c *channel) sftp(ctx context.Context) exit {
	if c.k.target.cfg.Files == nil {
		return c.said(c.k.refuse(ctx, "subsystem", "the subsystem sftp", "the resource shows no files", "use a command that the resource lists"))
	}
	var x exit
	err := c.k.target.cfg.Files.Serve(ctx, sftp.Channel{
		Session: c.k.sess, Client: touched{c}, Say: c.say, Upstream: c.subsystem, Go: c.k.readers.Go,
		Finish: func(err error) {
			if err != nil {
				x = c.said(err)
			}
			// Whoever writes to the client may still be at it, which CloseWrite does not bear.
			_, _ = c.ch.SendRequest("exit-status", false, ssh.Marshal(exitStatus{uint32(x.Code)})) //nolint:gosec // ours
			_ = c.ch.Close()                                                                       // nothing more is read of the client then
		},
	})
	_ = err // it was told
	return x
}

// touched is the client's side of a channel. What comes from there is a sign of
// life.
type touched struct{ c *channel }

// Read implements [io.Reader].
func (t touched) Read(b []byte) (int, error) {
	n, err := t.c.ch.Read(b)
	if n > 0 {
		t.c.k.sess.Busy()
	}
	return n, err
}

// Write implements [io.Writer].
func (t touched) Write(b []byte) (int, error) { return t.c.ch.Write(b) }

// subsystem starts sftp at the target.
func (c *channel) subsystem(ctx context.Context, p session.Permit) (io.ReadWriteCloser, error) {
	ch, reqs, err := c.k.up.open(ctx, p)
	if err != nil {
		return nil, err
	}
	c.k.readers.Go(func() { ssh.DiscardRequests(reqs) })
	c.k.readers.Go(func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }) // the target's own words, which may name what is not shown
	if ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(textRequest{"sftp"})); err != nil || !ok {
		_ = ch.Close() // it is of no use
		return nil, sallyport.E(sallyport.Unavailable, "target", "the target has no subsystem sftp").WithHint("ask the target's operator").Because(err)
	}
	return ch, nil
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// connection is a client that is logged in: one session of the engine.
type connection struct {
	c        *Connector
	srv      *ssh.ServerConn
	sess     *session.Session
	target   *Target
	up       upstream
	slots    chan struct{}  // one for each open channel
	channels sync.WaitGroup // one for each open channel
	readers  sync.WaitGroup // of goroutines that end with one of the two connections

	mu       sync.Mutex
	refusals int   // guarded by mu
	closed   bool  // the client wants no more sessions; guarded by mu
	failed   error // why the gateway ended the connection; guarded by mu
}

// run serves the connection until the client or the session ends it, and returns
// why the gateway ended it; nil where the client did.
func (k *connection) run(chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) error {
	ctx, cancel := context.WithCancelCause(k.sess.Context())
	defer cancel(session.ErrCancelled)
	gone := make(chan struct{})
	var own sync.WaitGroup
	own.Go(func() { _ = k.srv.Wait(); close(gone) }) // that it ended is all there is to know
	own.Go(func() {
		for r := range reqs {
			k.global(ctx, r)
		}
	})
	own.Go(func() {
		for n := range chans {
			k.accept(ctx, n)
		}
	})
	own.Go(func() { alive(gone, k.srv, k.target.cfg.Keepalive) })
	select {
	case <-gone:
		cancel(session.ErrCancelled) // nobody waits any more for what is held
	case <-ctx.Done():
		k.fail(context.Cause(ctx))
		k.part(gone)
	}
	_ = k.srv.Close() // it may be closed already
	// A target that says nothing any more must not keep the session.
	timer := time.AfterFunc(farewell, k.up.close)
	own.Wait()
	k.channels.Wait()
	timer.Stop()
	k.up.close()
	k.readers.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// part gives the channels time to tell their clients why they end.
func (k *connection) part(gone <-chan struct{}) {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	for range cap(k.slots) { // all slots taken here: no channel is open
		select {
		case k.slots <- struct{}{}:
		case <-timer.C:
			return
		case <-gone:
			return
		}
	}
}

// fail notes why the gateway ends the connection; the first reason counts.
func (k *connection) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed == nil {
		k.failed = err
	}
}

// refuse puts on record that something of the protocol was refused, and returns the
// error for the client. A client that goes on asking is not listened to for ever.
func (k *connection) refuse(ctx context.Context, class, text, reason, hint string) error {
	k.mu.Lock()
	k.refusals++
	enough := k.refusals > maxRefusals
	k.mu.Unlock()
	if enough {
		err := sallyport.E(sallyport.Exhausted, "ssh", "too much that is refused was asked for on one connection").WithHint("ask for commands only")
		k.fail(err)
		_ = k.srv.Close()
		return err
	}
	st := &sallyport.Statement{Protocol: Protocol, Class: class, Readable: class, Refused: reason, Hint: hint}
	return k.sess.Refuse(ctx, session.Command{Statement: st, Text: []byte(text)}, reason, hint)
}

const forwards = "forwarding is not allowed: what passes there is neither judged nor masked"

// global answers a request that belongs to no channel.
func (k *connection) global(ctx context.Context, r *ssh.Request) {
	ok := false
	switch r.Type {
	case "keepalive@openssh.com":
		ok = true
	case "no-more-sessions@openssh.com":
		k.mu.Lock()
		k.closed, ok = true, true
		k.mu.Unlock()
	case "tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com":
		_ = k.refuse(ctx, "request "+r.Type, string(r.Payload), forwards, "run commands at the target instead") // the reply has no place for words
	default:
		_ = k.refuse(ctx, "global request", r.Type, "the request is not known", "run commands at the target instead")
	}
	if r.WantReply {
		_ = r.Reply(ok, nil) // a client that is gone is noticed elsewhere
	}
}

// accept takes a channel or refuses it.
func (k *connection) accept(ctx context.Context, n ssh.NewChannel) {
	if n.ChannelType() == "direct-tcpip" {
		if d, to, ok := k.target.listed(n.ExtraData()); ok {
			k.slot(n, func() { k.forward(ctx, n, d, to) })
			return
		}
	}
	if reason, err := k.admit(ctx, n); err != nil {
		reject(n, reason, err)
		return
	}
	k.slot(n, func() {
		if ch, reqs, err := n.Accept(); err == nil { // else the client is gone
			(&channel{k: k, ch: ch, reqs: reqs}).serve(ctx)
		}
	})
}

// slot serves a channel while it has one of the connection's places.
func (k *connection) slot(n ssh.NewChannel, serve func()) {
	select {
	case k.slots <- struct{}{}:
		k.channels.Go(func() {
			defer func() { <-k.slots }()
			serve()
		})
	default:
		reject(n, ssh.ResourceShortage, sallyport.E(sallyport.Exhausted, "ssh", "too many channels are open on one connection").
			WithHint("end some of them, or open another connection"))
	}
}

// reject refuses a channel with the words for why.
func reject(n ssh.NewChannel, reason ssh.RejectionReason, err error) {
	message, hint := sallyport.Public(err)
	_ = n.Reject(reason, "sallyport: "+printable(message)+"; to do: "+printable(hint)) // a client that is gone is noticed elsewhere
}

// admit judges a channel by its type.
func (k *connection) admit(ctx context.Context, n ssh.NewChannel) (ssh.RejectionReason, error) {
	switch n.ChannelType() {
	case "session":
	case "direct-tcpip", "direct-streamlocal@openssh.com", "forwarded-tcpip", "tun@openssh.com", "x11", "auth-agent@openssh.com":
		return ssh.Prohibited, k.refuse(ctx, "channel "+n.ChannelType(), string(n.ExtraData()), forwards, "run commands at the target instead")
	default:
		return ssh.UnknownChannelType, k.refuse(ctx, "channel", n.ChannelType(), "the type of the channel is not known", "run commands at the target instead")
	}
	k.mu.Lock()
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return ssh.Prohibited, k.refuse(ctx, "channel session", "", "the client said that there would be no more sessions", "connect again")
	}
	return 0, nil
}

// alive asks the other side for a sign of life until done is closed, and ends a
// connection whose other side gives none. Nothing is asked where every is 0.
func alive(done <-chan struct{}, conn ssh.Conn, every time.Duration) {
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		timer := time.AfterFunc(3*every, func() { _ = conn.Close() })
		_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
		timer.Stop()
		if err != nil {
			return
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// directTCP is what a client says of a connection that it wants made from the target
// (RFC 4254 section 7.2).
type directTCP struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// listed returns where a channel is to lead, if the resource has that.
func (t *Target) listed(payload []byte) (directTCP, string, bool) {
	var d directTCP
	if ssh.Unmarshal(payload, &d) != nil || d.Port > 0xffff {
		return directTCP{}, "", false
	}
	to := net.JoinHostPort(d.Host, strconv.FormatUint(uint64(d.Port), 10))
	return directTCP{Host: d.Host, Port: d.Port, OriginHost: "127.0.0.1"}, to, slices.Contains(t.cfg.Forward, to)
}

// forward asks for a permit for a connection from the target to where the resource
// says that one may lead, and carries it. Nothing of it can be masked, so that policy
// must show it as it is.
func (k *connection) forward(ctx context.Context, n ssh.NewChannel, d directTCP, to string) {
	cmd := session.Command{Statement: forwarding(k.target.cfg.Resource, to), Text: []byte("direct-tcpip " + to)}
	permit, err := k.permitForward(ctx, cmd)
	if err != nil {
		reject(n, ssh.Prohibited, err)
		return
	}
	up, reqs, err := k.up.forward(ctx, permit, d)
	if err != nil {
		err = errors.Join(err, k.sess.Settle(permit, session.Result{Status: "error", Code: "open"}))
		reject(n, ssh.ConnectionFailed, err)
		return
	}
	ch, own, err := n.Accept()
	if err != nil {
		_ = up.Close() // both are gone then
		_ = k.sess.Settle(permit, session.Result{Status: "cancelled"})
		return
	}
	f := &tunnel{k: k, ch: ch, up: up, sent: flow{hash: sha256.New()}, received: flow{hash: sha256.New()}}
	res := f.carry(ctx, own, reqs)
	_ = k.sess.Settle(permit, res) // where it cannot be recorded, the session has ended
}

// permitForward admits a forwarded connection and makes its intent durable.
func (k *connection) permitForward(ctx context.Context, cmd session.Command) (session.Permit, error) {
	adm, err := k.sess.Admit(ctx, cmd)
	if err != nil {
		return session.Permit{}, err
	}
	if len(adm.Masks()) > 0 {
		return session.Permit{}, k.sess.Refuse(ctx, cmd, "what comes over a forwarded connection cannot be masked, and this role may not see it as it is",
			"a permit for readRaw in the Connection allows it")
	}
	permits, err := k.sess.Intend(ctx, session.Intent{Admission: adm})
	if err != nil {
		return session.Permit{}, err
	}
	return permits[0], nil
}

// forwarding is the statement of a forwarded connection: it reads and writes what
// lies at its end. It is no path, so that no policy about files speaks of it.
func forwarding(resource sallyport.ResourceID, to string) *sallyport.Statement {
	end := sallyport.Object{Kind: "connection", Path: []string{string(resource), to}}
	data := sallyport.Column{Object: sallyport.Object{Kind: "connection", Path: []string{string(resource), to, "data"}}}
	return &sallyport.Statement{
		Protocol: Protocol, Class: "forward", Readable: "forward to " + to, Effects: []sallyport.Effect{sallyport.Read, sallyport.Write},
		Accesses: []sallyport.Access{
			{Effect: sallyport.Read, Object: end, Columns: []sallyport.Column{data}},
			{Effect: sallyport.Write, Object: end},
		},
		Outputs: []sallyport.Output{{Direct: true, Sources: []sallyport.Column{data}}},
	}
}

// flow counts and digests one direction of a connection.
type flow struct {
	mu   sync.Mutex
	n    uint64    // guarded by mu
	hash hash.Hash // guarded by mu
}

func (f *flow) add(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += uint64(len(p))
	f.hash.Write(p)
}

func (f *flow) sum() (uint64, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n, f.hash.Sum(nil)
}

// tunnel is a forwarded connection at work.
type tunnel struct {
	k              *connection
	ch, up         ssh.Channel // the client's, and the target's
	sent, received flow
}

// carry copies both ways until both are at their end, or one side has closed.
func (t *tunnel) carry(ctx context.Context, own, theirs <-chan *ssh.Request) session.Result {
	out, in, left, closed := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	r := &t.k.readers
	r.Go(func() { defer close(out); t.copyOut() })
	r.Go(func() { defer close(in); t.copyIn() })
	r.Go(func() { defer close(left); ssh.DiscardRequests(own) })
	r.Go(func() { defer close(closed); ssh.DiscardRequests(theirs) })
	status := "ok"
	for waitOut, waitIn := out, in; waitOut != nil || waitIn != nil; {
		select {
		case <-waitOut:
			waitOut = nil
		case <-waitIn:
			waitIn = nil
		case <-closed: // what it sent before is still to be delivered
			waitOut, closed = nil, nil
		case <-left:
			waitOut, waitIn = nil, nil
		case <-ctx.Done():
			waitOut, waitIn, status = nil, nil, "cut"
		}
	}
	_ = t.up.Close() // what is gone is closed
	_ = t.ch.Close()
	sent, sentSum := t.sent.sum()
	received, receivedSum := t.received.sum()
	return session.Result{
		Status: status, Bytes: received,
		Tag: fmt.Sprintf("sent %d %s received %d %s", sent, t.k.sess.Fingerprint(sentSum), received, t.k.sess.Fingerprint(receivedSum)),
	}
}

// copyOut carries what the client sends.
func (t *tunnel) copyOut() {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.ch.Read(buf)
		if n > 0 {
			t.k.sess.Busy()
			t.sent.add(buf[:n])
			if _, werr := t.up.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			_ = t.up.CloseWrite() // what is gone needs none
			return
		}
	}
}

// copyIn carries what comes back, which policy shows as it is.
func (t *tunnel) copyIn() {
	shown := mask.ClearBody()
	defer shown.Abort()
	buf := make([]byte, 32<<10)
	for {
		n, err := t.up.Read(buf)
		if n > 0 {
			t.k.sess.Busy()
			t.received.add(buf[:n])
			m, merr := shown.Write(mask.FromUpstream(buf[:n]))
			if merr != nil {
				return
			}
			if _, werr := m.WriteTo(t.ch); werr != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = t.ch.CloseWrite() // as above
		}
		if err != nil {
			return
		}
	}
}

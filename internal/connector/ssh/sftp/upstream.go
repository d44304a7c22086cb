// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// upstream is the target's side. Requests go out in the order of the calls; answers
// are handed to who waits for them by one goroutine, which is the channel's owner's: a
// target may keep its side open for as long as it likes.
type upstream struct {
	sess  *session.Session
	conn  io.ReadWriteCloser
	lost  func(error) // tells that nothing more will come
	slot  chan struct{}
	hello chan []byte // the first packet, or nil

	write sync.Mutex // held while a packet is written
	buf   []byte     // guarded by write

	mu      sync.Mutex
	next    uint32                  // guarded by mu
	waiting map[uint32]func([]byte) // guarded by mu; called with nil when the target is gone
	over    error                   // guarded by mu
}

func newUpstream(sess *session.Session, conn io.ReadWriteCloser, lost func(error)) *upstream {
	return &upstream{
		sess: sess, conn: conn, lost: lost, slot: make(chan struct{}, maxFlight), hello: make(chan []byte, 1), waiting: map[uint32]func([]byte){},
	}
}

var errLost error = sallyport.E(sallyport.Unavailable, "sftp", "the connection to the target is lost").WithHint("connect again; what was being written may be there in part")

// greet exchanges the versions. run runs what takes the answers.
func (u *upstream) greet(ctx context.Context, p session.Permit, run func(func())) (wire.Reply, error) {
	if !p.Valid(u.sess) {
		return wire.Reply{}, errPermit()
	}
	run(u.answers)
	_, err := u.conn.Write(wire.AppendRequest(nil, wire.Request{Type: wire.Init, ID: wire.Version}))
	var hello wire.Reply
	if err == nil {
		hello, err = await(ctx, u.hello)
	}
	if err == nil && (hello.Type != wire.VersionReply || hello.ID != wire.Version) {
		err = errors.New("it answers with another version")
	}
	if err != nil {
		return hello, sallyport.E(sallyport.Unavailable, "sftp", "the target has no sftp-server that speaks version 3").WithHint("ask the target's operator").Because(err)
	}
	return hello, nil
}

func errPermit() error {
	return sallyport.E(sallyport.Internal, "sftp", "nothing is sent to a target without a permit")
}

// answers hands answers out until there are none.
func (u *upstream) answers() {
	first, err := wire.ReadPacket(u.conn, nil)
	if err != nil {
		u.hello <- nil
		u.gone(err)
		return
	}
	u.hello <- first
	var buf []byte
	for {
		b, err := wire.ReadPacket(u.conn, buf)
		if err != nil {
			u.gone(err)
			return
		}
		buf = b
		r, err := wire.ParseReply(wire.Body(b))
		if err != nil {
			u.gone(err)
			return
		}
		u.mu.Lock()
		then := u.waiting[r.ID]
		delete(u.waiting, r.ID)
		u.mu.Unlock()
		if then == nil { // or the channel has ended
			u.gone(errors.New("it answers what nobody asked"))
			return
		}
		<-u.slot
		then(b)
	}
}

// gone tells everybody who waits that nothing will come.
func (u *upstream) gone(err error) {
	u.mu.Lock()
	if u.over == nil {
		u.over = errors.Join(errLost, err)
	}
	waiting := u.waiting
	u.waiting = nil
	u.mu.Unlock()
	for range waiting {
		<-u.slot
	}
	for _, then := range waiting {
		then(nil)
	}
	u.lost(errLost)
}

// send sends a request, in its turn. then is called with the answer, which is good
// during the call only, or with nil; it is not called when send returns an error.
func (u *upstream) send(ctx context.Context, p session.Permit, r wire.Request, then func(packet []byte)) error {
	if !p.Valid(u.sess) {
		return errPermit()
	}
	select {
	case u.slot <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	u.write.Lock()
	defer u.write.Unlock()
	u.mu.Lock()
	if u.over != nil {
		u.mu.Unlock()
		<-u.slot
		return errLost
	}
	u.next++
	r.ID = u.next
	u.waiting[r.ID] = then
	u.mu.Unlock()
	u.buf = wire.AppendRequest(u.buf[:0], r)
	if _, err := u.conn.Write(u.buf); err != nil {
		// Whoever waits hears of it from the reading side, which ends now.
		_ = u.conn.Close()
	}
	return nil
}

// begin sends a request and returns where its answer comes.
func (u *upstream) begin(ctx context.Context, p session.Permit, r wire.Request) (<-chan []byte, error) {
	c := make(chan []byte, 1)
	err := u.send(ctx, p, r, func(b []byte) { c <- bytes.Clone(b) })
	return c, err
}

// await waits for an answer that was asked for by begin.
func await(ctx context.Context, c <-chan []byte) (wire.Reply, error) {
	select {
	case b := <-c:
		if b == nil {
			return wire.Reply{}, errLost
		}
		return wire.ParseReply(wire.Body(b))
	case <-ctx.Done():
		return wire.Reply{}, context.Cause(ctx)
	}
}

// ask sends a request and waits for its answer.
func (u *upstream) ask(ctx context.Context, p session.Permit, r wire.Request) (wire.Reply, error) {
	c, err := u.begin(ctx, p, r)
	if err != nil {
		return wire.Reply{}, err
	}
	return await(ctx, c)
}

// want is ask for an answer of one type. A status in its place is returned as an
// [answer].
func (u *upstream) want(ctx context.Context, p session.Permit, r wire.Request, t wire.Type) (wire.Reply, error) {
	rep, err := u.ask(ctx, p, r)
	return rep, expect(rep, err, t)
}

// expect makes an error of an answer that is not of a type.
func expect(rep wire.Reply, err error, t wire.Type) error {
	switch {
	case err != nil:
		return err
	case rep.Type == wire.StatusReply && (t != wire.StatusReply || rep.Code != wire.OK):
		return answer(rep.Code)
	case rep.Type != t:
		return sallyport.E(sallyport.Unavailable, "sftp", "the target answers in a form that is not known")
	}
	return nil
}

// answer is a status of the target that is no success.
type answer wire.Code

// Error says what the status means.
func (a answer) Error() string { return wire.Code(a).String() }

// close ends the connection to the target. Whoever waits for an answer gets none.
func (u *upstream) close(err error) {
	u.gone(err)
	_ = u.conn.Close() // nothing of it counts any more
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// Sizes of the relay's buffers and limits, in bytes.
const (
	readSize         = 64 << 10
	maxServerMessage = 256 << 20 // a longer row cannot be held to be masked: the session is cut
	directWrite      = 16 << 10  // runs of rows at least this long are not copied together with others
)

// relay is one session's engine: it moves bytes between a client and a target
// through the machine. Two goroutines work in it, one reading from each side;
// fields say which one owns them.
type relay struct {
	target    *Target
	preflight bool
	sess      *session.Session
	client    net.Conn
	up        upstream
	m         *machine

	wmu sync.Mutex // serialises writes to the client
	// release is held for writing while statements run whose intents are not
	// durable yet; the server side passes it after each read.
	release sync.RWMutex

	// Owned by the client side.
	in       []byte // unread bytes of the client
	batch    []byte // messages for the target, in order
	intents  []session.Intent
	skip     bool // after a refusal: discard until Sync
	open     bool // the client has sent part of a pipeline and no Sync yet
	admitted map[*plan]*session.Admission
	key      []byte   // scratch
	private  string   // prefix of cache keys once the session's names mean something of its own
	renamed  bool     // they changed in the segment at work
	changes  int      // how often they changed
	path     []string // where names are looked up, as of pathAt; nil when not known
	pathAt   int

	// Owned by the server side.
	greeted map[string]string // the settings that the client was told at its login
	out     mask.Buffer
	rowbuf  mask.Buffer
	treeKey []byte // scratch

	hold struct { // a statement that waits for a human
		sync.Mutex
		cancel context.CancelCauseFunc
	}
}

// noticeState is the SQLSTATE of the gateway's notices: successful completion.
const noticeState pgwire.State = "00000"

// errGone says that a peer closed its connection in order.
var errGone = errors.New("the peer is gone")

// run relays until either side ends, and returns why the session ended: nil
// when the client said so or went away.
func (r *relay) run() error {
	ctx, stop := context.WithCancelCause(r.sess.Context())
	defer stop(nil)
	var sides sync.WaitGroup
	errs := make(chan error, 2)
	for _, side := range []func(context.Context) error{r.clientSide, r.serverSide} {
		sides.Go(func() { errs <- side(ctx) })
	}
	var err error
	select {
	case err = <-errs:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	r.end(err)
	stop(errGone) // the other side may be waiting for this one
	sides.Wait()
	r.cut()
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// cut settles what was at work when the session ended: it was forwarded, and how
// it ended nobody has seen. Both sides have ended by now.
func (r *relay) cut() {
	for _, x := range r.m.remaining() {
		if x.prep != nil && x.kind == expectParse {
			_ = r.settleParse(x.prep, "cut", "") // a ledger that takes nothing has ended the session already
		}
		if x.exec != nil {
			_ = r.settle(x.exec, "cut", "", "")
		}
	}
}

// end tells the client why its session ends and unblocks both sides.
func (r *relay) end(err error) {
	r.cancelHold(errGone)
	if err != nil && !errors.Is(err, errGone) {
		// The message must not land inside another one: the lock is free between
		// whole messages only. A client that reads nothing does not keep us.
		_ = r.client.SetWriteDeadline(r.target.now().Add(time.Second))
		r.wmu.Lock()
		_, _ = mask.Synthetic(fatal(err)).WriteTo(r.client)
		r.wmu.Unlock()
	}
	_ = r.client.Close()
	if !r.m.idle() {
		r.up.cancel() // nobody waits for what the target still does
	}
	_ = r.up.conn.SetWriteDeadline(r.target.now().Add(time.Second))
	_, _ = r.up.conn.Write(pgwire.AppendTerminate(nil)) // politeness: the close ends it as well
	_ = r.up.conn.Close()
}

// fatal is the ErrorResponse that ends a session.
func fatal(err error) []byte {
	if sallyport.KindOf(err) == sallyport.Denied {
		msg, hint := sallyport.Public(err)
		return pgwire.AppendError(nil, pgwire.SeverityFatal, pgwire.AdminShutdown, "terminating connection: "+msg, "", hint)
	}
	return pgwire.AppendErrorFrom(nil, pgwire.SeverityFatal, err)
}

// deliver writes masked bytes to the client.
func (r *relay) deliver(m mask.Masked) error {
	if m.Len() == 0 {
		return nil
	}
	r.wmu.Lock()
	defer r.wmu.Unlock()
	if _, err := m.WriteTo(r.client); err != nil {
		return errGone
	}
	return nil
}

// notify tells the client something between messages.
func (r *relay) notify(message, hint string) {
	_ = r.deliver(mask.Synthetic(pgwire.AppendNotice(nil, pgwire.SeverityNotice, noticeState, "sallyport: "+message, "", hint)))
}

// clientSide reads what the client sends until it ends.
func (r *relay) clientSide(ctx context.Context) error {
	buf := make([]byte, readSize)
	for {
		n, err := r.client.Read(buf)
		if n > 0 {
			r.in = append(r.in, buf[:n]...)
			if herr := r.clientMessages(ctx); herr != nil {
				return herr
			}
		}
		if err != nil {
			return errGone
		}
	}
}

// clientMessages handles every whole message that has arrived and then forwards
// what may go.
func (r *relay) clientMessages(ctx context.Context) error {
	done := 0
	for {
		typ, total, ok, err := pgwire.NextClient(r.in[done:], r.target.maxMessage())
		ok = ok && len(r.in)-done >= total
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		body := r.in[done+pgwire.HeaderLen : done+total]
		if err := r.clientMessage(ctx, typ, body); err != nil {
			return err
		}
		done += total
	}
	// What is in the batch refers to the messages' bytes, so it goes first.
	if err := r.flush(ctx); err != nil {
		return err
	}
	if r.m.deep() { // a client that only sends must not fill our memory
		if err := r.settleAll(ctx); err != nil {
			return err
		}
	}
	if done > 0 {
		r.in = append(r.in[:0], r.in[done:]...)
	}
	if cap(r.in) > 4*readSize && len(r.in) == 0 {
		r.in = nil // do not keep the memory of one large message
	}
	return nil
}

// flush makes the intents of the batch durable and forwards the batch; where the
// resource allows it, both at once.
func (r *relay) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	durable := func(context.Context) error { return nil }
	var permits []session.Permit
	if len(r.intents) > 0 {
		var err error
		early := r.sess.Early(r.intents)
		if early {
			permits, durable, err = r.sess.IntendEarly(ctx, r.intents...)
		} else {
			permits, err = r.sess.Intend(ctx, r.intents...)
		}
		if err != nil {
			return err
		}
		r.m.mu.Lock()
		for i, p := range permits {
			*r.intents[i].Into = p
		}
		r.m.mu.Unlock()
		clear(r.intents)
		r.intents = r.intents[:0]
		if early {
			// Whatever the server side reads from now on waits for the ledger, which
			// does not wait for the target to take the batch.
			r.release.Lock()
			done, sync := make(chan error, 1), durable
			go func() {
				defer r.release.Unlock()
				done <- sync(ctx)
			}()
			durable = func(context.Context) error { return <-done }
		}
	}
	err := r.up.forward(r.batch, permits)
	r.batch = r.batch[:0]
	if cap(r.batch) > 4*readSize {
		r.batch = nil
	}
	return errors.Join(err, durable(ctx))
}

// intend adds an intent to the batch; its permit goes to where.
func (r *relay) intend(in session.Intent, where *session.Permit) {
	in.Into = where
	r.intents = append(r.intents, in)
}

// settleAll waits until every answer that is due has come.
func (r *relay) settleAll(ctx context.Context) error {
	select {
	case <-r.m.drained():
		return nil
	default:
	}
	r.batch = pgwire.AppendFlush(r.batch)
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.wait(ctx, r.m.drained())
}

// wait waits for the server side.
func (r *relay) wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// admit asks the engine about a statement. While a human is asked, what the
// client sends is kept and its departure noticed.
func (r *relay) admit(ctx context.Context, c session.Command) (*session.Admission, error) {
	hctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	if err := r.flush(ctx); err != nil { // what came before is on record before
		return nil, err
	}
	held := false
	c.Notify = func(message, hint string) {
		held = true
		r.hold.Lock()
		r.hold.cancel = cancel
		r.hold.Unlock()
		r.notify(message, hint)
		watch.Go(func() { r.listen(hctx, cancel) })
	}
	a, err := r.sess.Admit(hctx, c)
	if held {
		r.hold.Lock()
		r.hold.cancel = nil
		r.hold.Unlock()
		cancel(nil)
		_ = r.client.SetReadDeadline(time.Unix(1, 0)) // unblocks listen
		watch.Wait()
		_ = r.client.SetReadDeadline(time.Time{})
	}
	return a, err
}

// maxWhileHeld bounds what a client may send while its statement is held.
const maxWhileHeld = 1 << 20

// listen keeps what the client sends while its statement is held, and cancels
// the hold when the client goes away.
func (r *relay) listen(ctx context.Context, cancel context.CancelCauseFunc) {
	buf := make([]byte, 4<<10)
	for ctx.Err() == nil {
		n, err := r.client.Read(buf)
		r.held(buf[:n])
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				return
			}
			cancel(errGone)
			return
		}
		if len(r.in) > maxWhileHeld {
			cancel(sallyport.E(sallyport.Exhausted, "hold", "too much was sent while a statement was held"))
			return
		}
	}
}

// held keeps bytes that came during a hold. The client side is waiting, so the
// buffer is free; the message at work lies before it in another array.
func (r *relay) held(b []byte) { r.in = append(r.in[:len(r.in):len(r.in)], b...) }

// cancelHold ends a hold, if there is one, and reports whether there was.
func (r *relay) cancelHold(cause error) bool {
	r.hold.Lock()
	defer r.hold.Unlock()
	if r.hold.cancel == nil {
		return false
	}
	r.hold.cancel(cause)
	return true
}

// Cancel serves a CancelRequest for this session: it withdraws a held statement
// or cancels what the target is doing.
func (r *relay) Cancel() {
	if !r.cancelHold(session.ErrCancelled) {
		r.up.cancel()
	}
}

// upstream is the only writer to a target. It forwards statements with permits
// and nothing else that could run.
type upstream struct {
	conn   net.Conn
	sess   *session.Session
	cancel func() // asks the target to stop what it does
}

// forward writes whole messages to the target. Each Query, Parse and Bind among
// them must have its permit, in order; the gateway's own statements, whose
// texts are fixed in this package, need none.
func (u *upstream) forward(batch []byte, permits []session.Permit) error {
	for rest := batch; len(rest) > 0; {
		typ, total, ok, err := whole(rest)
		if err != nil || !ok {
			return sallyport.E(sallyport.Internal, "forward", "a message was not whole")
		}
		if needsPermit(typ, rest[pgwire.HeaderLen:total]) {
			if len(permits) == 0 || !permits[0].Valid(u.sess) {
				return sallyport.E(sallyport.Internal, "forward", "a statement has no permit")
			}
			permits = permits[1:]
		}
		rest = rest[total:]
	}
	if len(permits) != 0 {
		return sallyport.E(sallyport.Internal, "forward", "a permit has no statement")
	}
	if _, err := u.conn.Write(batch); err != nil {
		return lost(err)
	}
	return nil
}

// lost is the error for a target that went away.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return sallyport.E(sallyport.Unavailable, "target", "the target closed the connection").
		WithHint("connect again; if it stays so, the operator must look at the target").Because(err)
}

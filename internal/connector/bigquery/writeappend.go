// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// maxInFlight bounds the messages with rows that wait for their answers. Where there
// are more, the client waits.
const maxInFlight = 4096

// appending is a stream of rows that is under way. One goroutine passes on what the
// client sends, as long as [writing.append] delivers what the service answers.
type appending struct {
	*writing
	in     *grpc.Reader
	body   *io.PipeWriter // of the request to the service
	cancel context.CancelFunc
	flight chan int // the rows of each message that waits for its answer

	// Of what was passed on; of the passing goroutine until it has ended.
	content        *upstream.Content
	messages, rows int
	refusal        error // why a message was not passed on
	renewed        *session.Admission

	done, doneRows, failed int // messages, and rows of them
}

// append passes rows on and answers on back, until one of both sides ends.
func (x *writing) append(p session.Permit, in *grpc.Reader) error {
	ctx, cancel := context.WithCancel(x.request.Context())
	defer cancel()
	if x.write.First.Changes {
		x.t.writes.change(x.write.Streams[0].String())
	}
	r, body := io.Pipe()
	a := &appending{writing: x, in: in, body: body, cancel: cancel, flight: make(chan int, maxInFlight), content: upstream.NewContent(nil), renewed: x.admission}
	var passing sync.WaitGroup
	passing.Go(func() { a.pass(ctx) })
	ended, err := a.deliver(ctx, p, r)
	// Whatever the passing waits for: a message, the service, or room in flight.
	cancel()
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Unix(1, 0)) // the connection may be gone
	r.CloseWithError(io.ErrClosedPipe)                                   //nolint:errcheck,gosec // it returns nil
	passing.Wait()
	if a.refusal != nil && x.request.Context().Err() == nil {
		err = a.refusal
	}
	result := a.result(ended, err)
	note := fmt.Sprintf("(%d rows in %d messages)\n%s(%d messages acknowledged, with %d rows; %d refused)\n", a.rows, a.messages, a.content.Note(), a.done, a.doneRows, a.failed)
	rerr := x.sess.Record(p, recordRequest, mask.Synthetic([]byte(note)))
	return errors.Join(err, rerr, x.sess.Settle(p, result))
}

// result is what became of the rows. What the service has not answered it may have
// taken.
func (a *appending) result(ended bool, err error) session.Result {
	code := codeOf(a.request.Context(), err)
	r := session.Result{
		Code: strconv.Itoa(int(code)), Rows: uint64(a.doneRows), Bytes: a.reply.Bytes(), //nolint:gosec // a count
		Tag: fmt.Sprintf("%s, %d of %d messages acknowledged", code, a.done, a.messages),
	}
	switch {
	case errors.Is(err, upstream.ErrUnsent):
		r.Status = "skipped"
	case !ended, a.done+a.failed < a.messages:
		r.Status = "unknown"
	case err != nil, a.failed > 0:
		r.Status = "error"
	default:
		r.Status = "ok"
	}
	return r
}

// deliver sends the request, of which body is what is passed on, and its answers to the
// client. It reports whether the service has ended the call by itself.
func (a *appending) deliver(ctx context.Context, p session.Permit, body io.Reader) (ended bool, err error) {
	from, err := a.t.askCall(ctx, a.sess, p, upstream.Request{Verb: http.MethodPost, To: a.to(), Header: a.header(), Body: body, Length: -1})
	if err != nil {
		return false, err
	}
	defer from.Close()
	for {
		b, err := from.next()
		if err != nil {
			err = a.spoken(err)
			var s *said
			return errors.As(err, &s), err
		}
		if b == nil {
			return true, nil
		}
		out, err := a.answered(b)
		if err != nil {
			return false, err
		}
		if out.done || out.failed {
			if err := a.count(out); err != nil {
				return false, err
			}
		}
		if err := a.reply.Send(mask.Synthetic(out.message)); err != nil {
			return false, err
		}
	}
}

// count takes in that a message was answered. The service answers in order.
func (a *appending) count(out answer) error {
	select {
	case rows := <-a.flight:
		if out.failed {
			a.failed++
		} else {
			a.done, a.doneRows = a.done+1, a.doneRows+rows
		}
		return nil
	default:
		return unknownForm(nil)
	}
}

// pass passes on messages until the client has sent its last one, or one that cannot
// pass. The service then still answers those before it.
func (a *appending) pass(ctx context.Context) {
	err := a.forward(ctx)
	var refused *sallyport.Error
	switch {
	case err == nil:
		_ = a.body.Close() // it returns nil
	case errors.As(err, &refused):
		a.refusal = err
		_ = a.body.Close() // it returns nil
		late := time.AfterFunc(a.t.cfg.Timeout, a.cancel)
		<-ctx.Done()
		late.Stop()
	default:
		a.cancel()
		_ = a.body.CloseWithError(err) // it returns nil
	}
}

// forward passes on each message once it was read. An error that is no
// [sallyport.Error] says that the client or the service is gone.
func (a *appending) forward(ctx context.Context) error {
	for m := a.write.First; ; {
		select {
		case a.flight <- m.Rows:
		case <-ctx.Done():
			return plain(ctx.Err())
		}
		head := grpc.Header(len(m.Message))
		a.messages, a.rows = a.messages+1, a.rows+m.Rows // whatever of it arrives
		for _, b := range [][]byte{head[:], m.Message} {
			if _, err := a.body.Write(b); err != nil {
				return plain(err)
			}
			a.content.Add(b)
		}
		b, err := a.in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m, err = a.next(ctx, b); err != nil {
			return err
		}
	}
}

// plain is an error that is none of the gateway's refusals, whatever it was made of.
func plain(err error) error { return errors.New(err.Error()) }

// next reads a message that is not the first. It says as much as that did, or less:
// its rows go to the same stream, and delete none if those of the first did not. Policy
// is asked anew, so that it holds for streams that stay open, too.
func (a *appending) next(ctx context.Context, b []byte) (*analyze.Append, error) {
	m, err := a.t.analyser.Append(b)
	switch {
	case err != nil:
	case m.Stream != nil && m.Stream.String() != a.write.Streams[0].String():
		err = sallyport.E(sallyport.Invalid, "bigquery", "rows for another stream come on a connection for one stream").
			WithHint("open a connection for each stream: switch multiplexing off in the client")
	case m.Changes && !a.write.First.Changes:
		err = sallyport.E(sallyport.Invalid, "bigquery", "the schema of the rows has the column _CHANGE_TYPE now, and had not when the stream was judged").
			WithHint("send the schema with that column in the first message of a connection")
	default:
		again, ok := a.sess.Renew(a.renewed, false)
		if ok {
			a.renewed = again
		} else if !a.renewed.Approved() {
			err = sallyport.E(sallyport.Denied, "bigquery", "policy does not allow the rows any more, or the ledger is not witnessed").
				WithHint("open the stream again to hear why")
		}
	}
	if err == nil {
		return m, nil
	}
	st := *a.write.Statement
	st.Readable += " (a later message)"
	reason, hint := sallyport.Public(err)
	return nil, errors.Join(err, ignoreDenied(a.sess.Refuse(ctx, session.Command{Statement: &st, Text: a.write.Text()}, reason, hint)))
}

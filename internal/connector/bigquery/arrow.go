// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// recordArrow is the kind of what a recording holds of rows in Arrow: the schema, and
// the batches as the client got them.
const recordArrow = "arrow"

// masker makes the mask for rows in Arrow of a schema, by the verdict of now.
func (e *exchange) masker(schema []byte) (*mask.BQPlan, *mask.Batches, error) {
	plan, err := e.plan(&seen{})
	if err != nil {
		return nil, nil, err
	}
	plan.SetContext(e.request.Context())
	batches, err := arrowmask.Open(plan, mask.FromUpstream(schema))
	if err != nil {
		return nil, nil, unknownForm(err)
	}
	return plan, batches, nil
}

// created is what is known of the answer to CreateReadSession.
type created struct {
	name    string
	seconds uint64 // when the session expires
	nanos   uint64
	schema  []byte
	streams []string
	numbers [3]uint64 // estimates: of bytes, of rows, and of bytes in files
}

// estimates are the fields of created.numbers.
func estimates() [3]int32 { return [3]int32{12, 14, 15} }

// parseCreated reads the fields of a session that pass. Rows in another format than
// Arrow do not.
func parseCreated(b []byte) (*created, error) {
	c := &created{}
	err := grpc.Fields(b, func(f grpc.Field) (err error) {
		switch f.Number {
		case 1:
			c.name, err = handle(f)
		case 2:
			err = grpc.Fields(f.Bytes, func(f grpc.Field) error {
				switch f.Number {
				case 1:
					c.seconds = f.Uint
				case 2:
					c.nanos = f.Uint
				}
				return nil
			})
		case 4:
			err = unknownForm(nil)
		case 5:
			c.schema, err = onlyBytes(f)
		case 10:
			var name string
			if name, err = streamName(f); err == nil {
				c.streams = append(c.streams, name)
			}
		default:
			for i, n := range estimates() {
				if n == f.Number {
					c.numbers[i], err = f.Varint()
				}
			}
		}
		return err
	})
	if err != nil || c.name == "" || c.schema == nil {
		return nil, unknownForm(err)
	}
	return c, nil
}

// onlyBytes are the first field's of a message that has one.
func onlyBytes(f grpc.Field) (out []byte, err error) {
	b, err := f.Message()
	if err != nil {
		return nil, err
	}
	err = grpc.Fields(b, func(f grpc.Field) (err error) {
		if f.Number == 1 {
			out, err = f.Message()
		}
		return err
	})
	return out, err
}

// streamName is the name of a ReadStream.
func streamName(f grpc.Field) (string, error) {
	b, err := onlyBytes(f)
	if err != nil {
		return "", err
	}
	return handle(grpc.Field{Type: protowire.BytesType, Bytes: b})
}

// handle is a name that the service has made. It holds nothing of rows.
func handle(f grpc.Field) (string, error) {
	s, err := f.String()
	if err != nil || len(s) > 1024 || !strings.HasPrefix(s, "projects/") || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.:=~+") != "" {
		return "", unknownForm(err)
	}
	return s, nil
}

func appendStream(b []byte, num int32, name string) []byte {
	if name == "" {
		return b
	}
	return grpc.AppendMessage(b, num, grpc.AppendString(nil, 1, name))
}

// createSession begins a session and remembers its streams.
func (e *exchange) createSession(reply *httpgate.Reply, p session.Permit, o *upstream.Outcome) error {
	if e.job != nil && e.call.Read.Restriction != "" && len(e.admission.Masks()) > 0 {
		o.Status = "skipped"
		return conditionRefused()
	}
	in, err := e.askRead(p, "read_session.table="+url.QueryEscape(e.call.Table.Resource()))
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	defer in.Close()
	b, err := in.only()
	if err != nil {
		return e.spoken(err)
	}
	c, err := parseCreated(b)
	if err != nil {
		return err
	}
	s := &readSession{owner: e.owner, call: e.call, job: e.job, schema: c.schema, until: e.t.cfg.Now().Add(readLife)}
	over := s.job == nil
	if over {
		s.job = e.newJob("", e.call.Statement) // what the session shows is what was there when it began
	}
	if until := time.Unix(int64(min(c.seconds, math.MaxInt32)), 0); c.seconds > 0 && until.Before(s.until) { //nolint:gosec // it is bounded
		s.until = until
	}
	if err := e.unchanged(s.job, over); err != nil {
		return err
	}
	_, batches, err := e.masker(c.schema)
	if err != nil {
		return err
	}
	if err := e.t.reads.add(s, c.streams); err != nil {
		return err
	}
	if err := e.sess.Record(p, recordBody, mask.Synthetic([]byte("(a session of "+strconv.Itoa(len(c.streams))+" streams)\n"))); err != nil {
		return err
	}
	head, tail := e.session(c, batches.Schema().Len())
	return reply.Send(mask.Synthetic(head), batches.Schema(), mask.Synthetic(tail))
}

// session writes a session anew, but for the schema that stands between the results.
// What the client has asked for is in it as it was sent on.
func (e *exchange) session(c *created, schema int) (head, tail []byte) {
	head = grpc.AppendString(head, 1, c.name)
	if c.seconds > 0 {
		head = grpc.AppendMessage(head, 2, grpc.AppendVarint(grpc.AppendVarint(nil, 1, c.seconds), 2, c.nanos))
	}
	asked := e.call.ReadSession()
	head = append(head, asked...)
	head = around(head, 5, schema)
	for _, name := range c.streams {
		tail = appendStream(tail, 10, name)
	}
	for i, n := range estimates() {
		tail = grpc.AppendVarint(tail, n, c.numbers[i])
	}
	return head, tail
}

// around appends what stands before n bytes that are the first field of a message,
// which is a field itself.
func around(b []byte, num protowire.Number, n int) []byte {
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), uint64(n)) //nolint:gosec // it is a length
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(inner)+n)) //nolint:gosec // it is a length
	return append(b, inner...)
}

// batch is what is known of one answer of ReadRows.
type batch struct {
	schema, rows []byte
	count        uint64
	// small is the rest that passes, written anew.
	small []byte
}

// parseBatch reads the fields of an answer that pass.
func parseBatch(b []byte) (*batch, error) {
	out := &batch{}
	err := grpc.Fields(b, func(f grpc.Field) (err error) {
		switch f.Number {
		case 2:
			err = grpc.Fields(f.Bytes, func(f grpc.Field) error {
				if f.Number == 2 {
					out.small = grpc.AppendMessage(out.small, 2, grpc.AppendMessage(nil, 2, progress(f.Bytes)))
				}
				return nil
			})
		case 3, 7: // Avro
			err = unknownForm(nil)
		case 4:
			out.rows, err = onlyBytes(f)
		case 5:
			err = grpc.Fields(f.Bytes, func(f grpc.Field) error {
				if f.Number == 1 && f.Type == protowire.VarintType && f.Uint <= 100 {
					out.small = grpc.AppendMessage(out.small, 5, grpc.AppendVarint(nil, 1, f.Uint))
				}
				return nil
			})
		case 6:
			out.count, err = f.Varint()
		case 8:
			out.schema, err = onlyBytes(f)
		}
		return err
	})
	if err != nil {
		return nil, unknownForm(err)
	}
	return out, nil
}

// progress writes anew how much of a stream was read.
func progress(b []byte) (out []byte) {
	_ = grpc.Fields(b, func(f grpc.Field) error { // what cannot be read of it is left out
		if v := math.Float64frombits(f.Uint); (f.Number == 1 || f.Number == 2) && f.Type == protowire.Fixed64Type && v >= 0 && v <= 1 {
			out = protowire.AppendFixed64(protowire.AppendTag(out, protowire.Number(f.Number), protowire.Fixed64Type), f.Uint)
		}
		return nil
	})
	return out
}

// readRows masks, records and delivers the rows of a stream, a batch at a time.
func (e *exchange) readRows(reply *httpgate.Reply, p session.Permit, o *upstream.Outcome) error {
	if err := e.unchanged(e.stream.job, false); err != nil {
		o.Status = "skipped"
		return err
	}
	plan, batches, err := e.masker(e.stream.schema)
	if err != nil {
		o.Status = "skipped"
		return err
	}
	defer func() {
		o.Rows = plan.Rows()
		e.counts = append(e.counts, plan.TakeCounts()...)
	}()
	in, err := e.askRead(p, "read_stream="+url.QueryEscape(e.call.Stream.Name))
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	defer in.Close()
	if err := e.sess.Record(p, recordArrow, batches.Schema()); err != nil {
		return err
	}
	for {
		b, err := in.next()
		if err != nil || b == nil {
			return e.spoken(err)
		}
		if err := e.request.Context().Err(); err != nil {
			return brokenAnswer(err)
		}
		if err := e.deliverBatch(reply, p, plan, batches, b); err != nil {
			return err
		}
	}
}

// deliverBatch masks one answer of ReadRows and lets it leave.
func (e *exchange) deliverBatch(reply *httpgate.Reply, p session.Permit, plan *mask.BQPlan, batches *mask.Batches, b []byte) error {
	got, err := parseBatch(b)
	if err != nil {
		return err
	}
	var parts []mask.Masked
	if got.schema != nil {
		if string(got.schema) != string(e.stream.schema) {
			return unknownForm(nil)
		}
		parts = append(parts, mask.Synthetic(around(nil, 8, len(got.schema))), batches.Schema())
	}
	if got.rows != nil {
		before := plan.Rows()
		m, err := batches.Mask(mask.FromUpstream(got.rows))
		if err != nil {
			return unknownForm(err)
		}
		if plan.Rows()-before != got.count {
			return unknownForm(nil)
		}
		if err := e.sess.Record(p, recordArrow, m); err != nil {
			return err
		}
		parts = append(parts, mask.Synthetic(around(nil, 4, m.Len())), m)
	}
	parts = append(parts, mask.Synthetic(grpc.AppendVarint(got.small, 6, got.count)))
	return reply.Send(parts...)
}

// splitStream has the service make two streams of one, which are of the same session.
func (e *exchange) splitStream(reply *httpgate.Reply, p session.Permit, o *upstream.Outcome) error {
	in, err := e.askRead(p, "name="+url.QueryEscape(e.call.Stream.Name))
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	defer in.Close()
	b, err := in.only()
	if err != nil {
		return e.spoken(err)
	}
	var names []string
	var out []byte
	err = grpc.Fields(b, func(f grpc.Field) error {
		if f.Number != 1 && f.Number != 2 {
			return nil
		}
		name, err := streamName(f)
		if err == nil {
			names, out = append(names, name), appendStream(out, f.Number, name)
		}
		return err
	})
	if err != nil {
		return unknownForm(err)
	}
	if err := e.t.reads.add(e.stream, names); err != nil {
		return err
	}
	if err := e.sess.Record(p, recordBody, mask.Synthetic([]byte("("+strconv.Itoa(len(names))+" streams of one)\n"))); err != nil {
		return err
	}
	return reply.Send(mask.Synthetic(out))
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/ports"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// way counts and digests what goes one way over a connection.
type way struct {
	n   uint64
	sum hash.Hash
}

func newWay() *way { return &way{sum: sha256.New()} }

// Write implements [io.Writer].
func (w *way) Write(p []byte) (int, error) {
	w.n += uint64(len(p))
	return w.sum.Write(p)
}

// said is the way in words for the record. The digest is a keyed one: short bytes could
// be guessed from another.
func (w *way) said(s *session.Session) string {
	if w.n == 0 {
		return "0 bytes"
	}
	return fmt.Sprintf("%d bytes %s", w.n, s.Fingerprint(w.sum.Sum(nil)))
}

// carry has one connection to a port permitted, made, carried and put on record.
func (f *forwarding) carry(port uint16, client *ports.Stream) error {
	st := f.t.cfg.Layout.Port(f.t.cfg.Resource, &f.call.Call, port)
	p, err := f.permit(st, f.request.Method+" "+f.call.path+" port "+strconv.Itoa(int(port)))
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.carried++
	f.mu.Unlock()
	up, down := newWay(), newWay()
	ctx, cancel := context.WithCancel(f.request.Context())
	defer cancel()
	target, err := f.dial(ctx, p, port)
	res := session.Result{Status: "ok"}
	if err != nil {
		res.Status = upstream.Unanswered(err)
	} else if err = target.carry(client, up, down); err != nil {
		res.Status = "error"
	}
	if ctx.Err() != nil {
		res.Status = "cancelled"
	}
	res.Bytes = down.n
	res.Tag = "to the port " + up.said(f.sess) + ", from it " + down.said(f.sess)
	return errors.Join(err, f.sess.Settle(p, res))
}

// far is a connection to a port of a pod, by way of the cluster.
type far struct {
	conn       *ports.Conn
	data, errs *ports.Stream
}

// dial asks the cluster for a connection to a port.
func (f *forwarding) dial(ctx context.Context, p session.Permit, port uint16) (*far, error) {
	h := http.Header{"Connection": {"Upgrade"}, "Upgrade": {forwardUpgrade}, protocolHeader: {forwardProtocol}}
	if err := f.t.cfg.Impersonate.headers(h, f.sess); err != nil {
		return nil, errors.Join(err, upstream.ErrUnsent)
	}
	res, err := f.t.client.Upgrade(ctx, f.sess, p, upstream.Request{Verb: http.MethodPost, To: f.t.client.At(f.call.path, ""), Header: h})
	if err != nil {
		return nil, err
	}
	raw, ok := res.Body.(io.ReadWriteCloser)
	if res.StatusCode != http.StatusSwitchingProtocols || !ok || res.Header.Get(protocolHeader) != forwardProtocol {
		return nil, errors.Join(refusedBy(res.StatusCode), res.Body.Close())
	}
	c, err := ports.Dial(raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	x := &far{conn: c}
	if x.errs, err = c.Open(streamHeaders(streamError, port)); err == nil {
		if err = x.errs.CloseWrite(); err == nil {
			x.data, err = c.Open(streamHeaders(streamData, port))
		}
	}
	if err != nil {
		c.Close()
		return nil, sallyport.E(sallyport.Unavailable, Protocol, "the cluster does not open the connection").WithHint("look whether the pod runs").Because(err)
	}
	return x, nil
}

func streamHeaders(kind string, port uint16) http.Header {
	h := http.Header{}
	h.Set(headerStream, kind)
	h.Set(headerPort, strconv.Itoa(int(port)))
	h.Set(headerRequest, "0")
	return h
}

// refusedBy is the cluster's refusal, whose own words are not shown.
func refusedBy(code int) error {
	if code == http.StatusForbidden || code == http.StatusUnauthorized {
		return sallyport.E(sallyport.Denied, Protocol, "the cluster does not permit it to whom the gateway acts as").
			WithHint("the cluster's administrator must give that user a role with create on pods/portforward")
	}
	if code == http.StatusNotFound {
		return sallyport.E(sallyport.NotFound, Protocol, "the cluster has no such pod").WithHint("look at kubectl get pods")
	}
	return sallyport.E(sallyport.Unavailable, Protocol, fmt.Sprintf("the cluster refuses the connection with the status %d", code)).WithHint("look whether the pod runs")
}

// carry copies both ways until the target has ended its side, or one of them is gone.
func (x *far) carry(client *ports.Stream, up, down *way) error {
	var all sync.WaitGroup
	said := int64(0)
	all.Go(func() {
		_, err := io.Copy(io.MultiWriter(x.data, up), client)
		if err == nil {
			err = x.data.CloseWrite()
		}
		if err != nil {
			x.conn.Close() // one of both is gone
		}
	})
	all.Go(func() {
		said, _ = io.Copy(io.Discard, x.errs) // what it says may be anything, and is not shown
	})
	err := deliver(client, x.data, down)
	_ = client.Close()
	x.conn.Close()
	all.Wait()
	switch {
	case said > 0:
		return sallyport.E(sallyport.Unavailable, Protocol, "the pod does not take the connection").WithHint("look whether something listens at that port of it")
	case err != nil:
		return sallyport.E(sallyport.Unavailable, Protocol, "the connection broke off").WithHint("connect again").Because(err)
	}
	return nil
}

// deliver gives the client what comes from a target, which policy shows as it is.
func deliver(client io.Writer, target io.Reader, down io.Writer) error {
	body := mask.ClearBody()
	b := make([]byte, 32<<10)
	for {
		n, err := target.Read(b)
		if n > 0 {
			m, merr := body.Write(mask.FromUpstream(b[:n]))
			if merr == nil {
				_, merr = m.WriteTo(client)
			}
			if merr != nil {
				return merr
			}
			_, _ = down.Write(b[:n]) // a digest takes everything
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

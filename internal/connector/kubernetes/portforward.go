// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/ports"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Words of the protocol that ports are forwarded by.
const (
	forwardUpgrade  = "SPDY/3.1"
	forwardProtocol = "portforward.k8s.io"
	protocolHeader  = "X-Stream-Protocol-Version"
	headerPort      = "port"
	headerRequest   = "requestID"
	headerStream    = "streamType"
	streamData      = "data"
	streamError     = "error"
)

// forwarding is a client's forwarding of ports of one pod: a connection on which it
// asks for connections to ports.
type forwarding struct {
	t       *Target
	sess    *session.Session
	request *http.Request
	call    *call

	wg sync.WaitGroup // one for each connection

	mu      sync.Mutex
	halves  map[string]*pair // that wait for their other stream; guarded by mu
	carried uint64           // connections that were let through; guarded by mu
}

// pair is the two streams of a connection to a port.
type pair struct {
	port       string
	data, errs *ports.Stream
}

// forward answers a request to forward ports of a pod. Whether the role may do so at
// all is decided here, before the client's connection is taken over; which ports, when
// it asks for a connection to one. Until then nothing is asked of the cluster.
func (t *Target) forward(w http.ResponseWriter, r *http.Request, v httpgate.Visit, c *call) error {
	told := func(err error) error {
		fail(w, err)
		return err
	}
	if err := forwardable(r, c); err != nil {
		return told(err)
	}
	f := &forwarding{t: t, sess: v.Session, request: r, call: c, halves: map[string]*pair{}}
	p, err := f.permit(t.cfg.Layout.Statement(t.cfg.Resource, &c.Call), r.Method+" "+c.path)
	if err != nil {
		return told(err)
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = sallyport.E(sallyport.Invalid, Protocol, "the connection cannot be taken over").WithHint("ask by HTTP/1.1").Because(err)
		return errors.Join(told(err), f.sess.Settle(p, session.Result{Status: "skipped"}))
	}
	err = f.run(conn, rw.Reader)
	res := session.Result{Status: "ok", Tag: fmt.Sprintf("%d connections", f.carried)}
	if r.Context().Err() != nil {
		res.Status = "cancelled" // the session has ended, not the client
	}
	return errors.Join(err, f.sess.Settle(p, res))
}

// forwardable refuses what is no request to forward ports over SPDY. A client that asks
// over WebSocket asks again over SPDY when it is refused, so that nothing is put on
// record of the first.
func forwardable(r *http.Request, c *call) error {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return bad("ports are not forwarded over WebSocket", "ask over SPDY/3.1, as kubectl does by itself; KUBECTL_PORT_FORWARD_WEBSOCKETS=false saves the first attempt")
	case r.Method != http.MethodPost || len(r.Header.Values("Upgrade")) != 1 || !strings.EqualFold(r.Header.Get("Upgrade"), forwardUpgrade):
		return bad("ports are forwarded over SPDY/3.1 alone", "ask by POST, with Upgrade: SPDY/3.1, as kubectl does")
	case r.ProtoMajor != 1 || r.ContentLength > 0 || len(r.TransferEncoding) > 0:
		return bad("the request cannot be answered with streams", "send it by HTTP/1.1, and without a body")
	case !slices.ContainsFunc(r.Header.Values(protocolHeader), func(line string) bool {
		return slices.Contains(strings.Split(strings.ReplaceAll(line, " ", ""), ","), forwardProtocol)
	}):
		return bad("the client does not offer the protocol that ports are forwarded by", "offer "+forwardProtocol+" in "+protocolHeader)
	case c.query != "":
		return bad("a request to forward ports has no parameters", "leave them out; the streams name the ports")
	}
	return nil
}

// permit asks the engine for a statement. Nothing of what a port gives is masked, so
// that a role which may not see it raw is refused before it opens.
func (f *forwarding) permit(st *sallyport.Statement, text string) (session.Permit, error) {
	cmd := session.Command{Statement: st, Text: []byte(text)}
	a, err := f.sess.Admit(f.request.Context(), cmd)
	if err != nil {
		return session.Permit{}, err
	}
	if len(a.Masks()) > 0 {
		return session.Permit{}, f.sess.Refuse(f.request.Context(), cmd, "what comes from a port cannot be masked, and this role may not see it as it is",
			"a permit for readRaw on the pod's labels lets it; for a database, make it a resource of its own, which is masked")
	}
	permits, err := f.sess.Intend(f.request.Context(), session.Intent{Admission: a})
	if err != nil {
		return session.Permit{}, err
	}
	return permits[0], nil
}

// run serves the client's connection until it, the session or the request ends, and
// waits for what was carried over it.
func (f *forwarding) run(conn net.Conn, r *bufio.Reader) error {
	defer conn.Close() //nolint:errcheck // it may be closed already
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + forwardUpgrade + "\r\n" + protocolHeader + ": " + forwardProtocol + "\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		return sallyport.E(sallyport.Unavailable, Protocol, "the client has gone").Because(err)
	}
	c, err := ports.Serve(conn, r, f.accept)
	if err != nil {
		return sallyport.E(sallyport.Internal, Protocol, "the streams cannot be read").Because(err)
	}
	stop := context.AfterFunc(f.request.Context(), func() { _ = conn.Close() })
	defer stop()
	<-c.Gone()
	c.Close()
	f.wg.Wait()
	if err := c.Err(); errors.Is(err, ports.ErrProtocol) {
		return sallyport.E(sallyport.Invalid, Protocol, "the client does not keep to SPDY").Because(err)
	}
	return nil
}

// accept takes in a stream of a client. Two of them make a connection.
func (f *forwarding) accept(s *ports.Stream) (func(), error) {
	h := s.Header()
	port, kind, id := h.Get(headerPort), h.Get(headerStream), h.Get(headerRequest)
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || id == "" {
		return nil, errors.New("a stream without a port or a number of its request")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.halves[id]
	if p == nil {
		p = &pair{port: port}
		f.halves[id] = p
	}
	switch {
	case kind == streamData && p.data == nil && p.port == port:
		p.data = s
	case kind == streamError && p.errs == nil && p.port == port:
		p.errs = s
	default:
		return nil, errors.New("a stream that is there already, or of no known kind")
	}
	if p.data == nil || p.errs == nil {
		return nil, nil
	}
	delete(f.halves, id)
	return func() { f.wg.Go(func() { f.connect(uint16(n), p) }) }, nil
}

// connect carries one connection and tells the client why it ended, where that is an
// error.
func (f *forwarding) connect(port uint16, p *pair) {
	if err := f.carry(port, p.data); err != nil {
		msg, hint := sallyport.Public(err)
		if hint != "" {
			msg += " (" + hint + ")"
		}
		_, _ = io.WriteString(p.errs, "sallyport: "+msg) // the client may be gone, here and below
		f.t.cfg.Log.Info("forwarded connection ended", "session", f.sess.ID(), "err", err)
	}
	_ = p.data.Close()
	_ = p.errs.Close()
}

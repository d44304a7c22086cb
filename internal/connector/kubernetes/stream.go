// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"errors"
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// stream answers a request for streams into a container.
func (t *Target) stream(w http.ResponseWriter, r *http.Request, v httpgate.Visit, c *call) error {
	if c.Subresource == "portforward" {
		return t.forward(w, r, v, c)
	}
	return t.program(w, r, v, c)
}

// running is a program in a container, from the request for it on.
type running struct {
	t         *Target
	sess      *session.Session
	call      *call
	program   *kube.Program
	wish      streams.Wish
	admission *session.Admission
	permit    session.Permit
	counts    []mask.Count
	files     uint64 // that were copied
	bytes     uint64
}

// program answers a request for exec or attach: what is wrong with it, or denied, is
// told before the connection is given to another protocol.
func (t *Target) program(w http.ResponseWriter, r *http.Request, v httpgate.Visit, c *call) error {
	told := func(err error) error {
		fail(w, err)
		return err
	}
	offer, err := streams.Read(r)
	if err != nil {
		return told(err)
	}
	wish, why := kube.ReadWish(&c.Call, c.params)
	if why != "" {
		return told(bad(why, "send command, container, stdin, stdout, stderr and tty alone, as kubectl does"))
	}
	x := &running{t: t, sess: v.Session, call: c, program: t.programs.Judge(t.cfg.Resource, &c.Call, wish)}
	wish = x.program.Wish
	x.wish = streams.Wish{Stdin: wish.Stdin, Stdout: wish.Stdout, Stderr: wish.Stderr, TTY: wish.TTY}
	text := []byte(c.path + "?" + wish.Query().Encode())
	// A client that is refused over WebSocket asks again over SPDY, and means the same.
	if err := t.refusals.again(v.Session.ID(), text, offer.WebSocket()); err != nil {
		return told(err)
	}
	if err := x.admit(r.Context(), text); err != nil {
		t.refusals.keep(v.Session.ID(), text, offer.WebSocket(), err)
		return told(err)
	}
	return x.serve(w, r, offer)
}

// admit asks for the permit. What a role may see nothing of does not run.
func (x *running) admit(ctx context.Context, text []byte) error {
	cmd := session.Command{Statement: x.program.Statement, Text: text}
	var err error
	if x.admission, err = x.sess.Admit(ctx, cmd); err != nil {
		return err
	}
	if x.program.Copy == kube.NoCopy {
		if err := terminal.Readable(x.admission); err != nil {
			reason, hint := sallyport.Public(err)
			return x.sess.Refuse(ctx, cmd, reason, hint)
		}
	}
	permits, err := x.sess.Intend(ctx, session.Intent{Admission: x.admission})
	if err != nil {
		return err
	}
	x.permit = permits[0]
	return nil
}

// serve runs the permitted program. What it returns was told to the client.
func (x *running) serve(w http.ResponseWriter, r *http.Request, offer *streams.Offer) error {
	target, err := x.dial(w, r)
	if err != nil {
		return errors.Join(err, x.sess.Settle(x.permit, session.Result{Status: upstream.Unanswered(err)}))
	}
	defer target.Close("")
	client, err := offer.Accept(w, x.wish, x.t.cfg.Now)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Invalid {
			fail(w, err)
		}
		return errors.Join(err, x.sess.Settle(x.permit, session.Result{Status: "cancelled"}))
	}
	var res session.Result
	if x.program.Copy == kube.NoCopy {
		res, err = x.run(r.Context(), client, target)
	} else {
		res, err = x.copy(r.Context(), client, target)
	}
	return errors.Join(err, x.sess.Settle(x.permit, res))
}

// dial asks the cluster for the program's streams. Its refusal is told to the client.
func (x *running) dial(w http.ResponseWriter, r *http.Request) (*streams.Conn, error) {
	ask := func(verb string, h http.Header) (*http.Response, error) {
		if err := x.t.cfg.Impersonate.headers(h, x.sess); err != nil {
			return nil, errors.Join(upstream.ErrUnsent, err)
		}
		h.Set("User-Agent", r.UserAgent())
		return x.t.client.Upgrade(r.Context(), x.sess, x.permit, upstream.Request{
			Verb: verb, To: x.t.client.At(x.call.path, x.program.Wish.Query().Encode()), Header: h,
		})
	}
	conn, res, err := streams.Dialer{Random: x.t.cfg.Programs.Rand, Now: x.t.cfg.Now}.Dial(ask, x.wish)
	if err == nil && res != nil {
		return nil, x.refused(w, res)
	}
	if err != nil {
		fail(w, err)
	}
	return conn, err
}

// maskOf returns the verdict's obligation for an output, or nil where it is shown as
// it is.
func (x *running) maskOf(output int) *sallyport.Mask {
	for _, m := range x.admission.Masks() {
		if m.Output == output {
			return &m
		}
	}
	return nil
}

// like is what the counts of an output have in common.
func (x *running) like(output int) mask.Count {
	p := x.t.cfg.Masking.Profile()
	c := mask.Count{Output: output, Profile: p.Name(), ProfileVersion: p.Version(), Columns: session.SourceNames(x.admission.Statement(), output)}
	if m := x.maskOf(output); m != nil {
		c.Labels, c.Reason = m.Labels, m.Reason
	}
	return c
}

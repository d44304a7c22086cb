// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// pieceSize is how much of an answer is masked at once, in bytes.
const pieceSize = 64 << 10

// deliver masks, records and delivers an answer, and returns how many bytes of it
// left.
func (e *exchange) deliver(w http.ResponseWriter, p session.Permit, res *http.Response) (uint64, error) {
	media, err := e.form(res)
	if err != nil {
		return 0, e.withhold(w, err)
	}
	plan := e.plan()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusAccepted {
		plan.Frames, plan.Builtin, plan.Withheld = false, true, e.repeats(res.StatusCode) // the status of an error
	}
	m := mask.ClearBody()
	if e.c.IsResource {
		if m, err = e.t.masks.Body(plan); err != nil {
			return 0, e.withhold(w, err)
		}
	}
	d := &downstream{w: w, e: e, p: p, live: plan.Frames, status: res.StatusCode, media: media}
	err = d.all(res, m)
	return d.n, err
}

// repeats reports whether an error of a status may say what the object holds. Where the
// cluster cannot read what a change makes of an object, it repeats the object whole. Of one
// that is to be made there is nothing but what the request brings.
func (e *exchange) repeats(code int) bool {
	if e.c.Verb == "create" && e.c.Subresource == "" {
		return false
	}
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusConflict,
		http.StatusGone, http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}

// form checks the form of an answer, and returns its type as the client is told. What
// is shown as it is may have any, where it tells nothing of what is in the cluster.
func (e *exchange) form(res *http.Response) (string, error) {
	if enc := res.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return "", sallyport.E(sallyport.Unavailable, Protocol, "the cluster's answer is packed in a way that cannot be masked")
	}
	media, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode >= http.StatusMultipleChoices && res.StatusCode < http.StatusBadRequest && res.StatusCode != http.StatusNotModified:
		return "", sallyport.E(sallyport.Unavailable, Protocol, "the cluster wants the request sent elsewhere").WithHint("the operator must look at the resource's url")
	case !e.c.IsResource:
		return res.Header.Get("Content-Type"), nil
	case err == nil && media == "application/json":
		for _, name := range []string{"as", "g", "v", "stream"} {
			if v := params[name]; v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == "" {
				media += ";" + name + "=" + v
			}
		}
		return media, nil
	case res.StatusCode >= http.StatusBadRequest:
		return "", status(res.StatusCode, reasonOf(res.StatusCode), sallyport.E(sallyport.Unavailable, Protocol, "the cluster answers "+
			strconv.Itoa(res.StatusCode)+" "+http.StatusText(res.StatusCode)+", and says why in a form that cannot be masked"))
	}
	return "", sallyport.E(sallyport.Denied, Protocol, "the cluster's answer is of a type that cannot be masked, so it is withheld").
		WithHint("ask for JSON (Accept: application/json)")
}

// withhold answers in place of what cannot be delivered.
func (e *exchange) withhold(w http.ResponseWriter, err error) error {
	if errors.Is(err, upstream.ErrCredential) {
		err = sallyport.E(sallyport.Denied, Protocol, "the answer holds the gateway's own credential, so it is withheld").
			WithHint("ask for an answer without it").Because(err)
	}
	var own *sallyport.Error
	if !errors.As(err, &own) {
		err = sallyport.E(sallyport.Unavailable, Protocol, "the cluster's answer broke off").WithHint("the request was executed; look before you send it again").Because(err)
	}
	if kind := sallyport.KindOf(err); (kind == sallyport.Denied || kind == sallyport.Integrity) && e.mask(kube.OutputBody) != nil {
		e.counts = append(e.counts, mask.Whole(e.like(kube.OutputBody)))
	}
	fail(w, err)
	return err
}

// downstream writes an answer to a client. It takes masked bytes only, and each
// piece is recorded before it leaves.
type downstream struct {
	w      http.ResponseWriter
	e      *exchange
	p      session.Permit
	live   bool // pieces leave as they come
	status int
	media  string
	n      uint64
	sent   bool // the head is out
}

// all delivers an answer to its end. Once a part of it has left, an error can only
// break the connection off, so that no client takes the part for the whole.
func (d *downstream) all(res *http.Response, m *mask.Body) error {
	in := upstream.Guard(res.Request, d.e.t.client.CredentialHeaders(), res.Body)
	d.head(res)
	if d.live { // a watch that has nothing to tell has begun all the same
		if err := d.begin(); err != nil {
			return d.broken(m, err)
		}
	}
	buf := d.e.t.pieces.Get().(*[pieceSize]byte)
	defer d.e.t.pieces.Put(buf)
	for {
		got, err := in.Read(buf[:])
		if got > 0 {
			piece, merr := m.Write(mask.FromUpstream(buf[:got]))
			if merr == nil {
				merr = d.put(piece)
			}
			if merr != nil {
				return d.broken(m, merr)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return d.broken(m, plain(err))
		}
	}
	rest, err := m.Flush()
	if err == nil {
		err = d.put(rest)
	}
	if err != nil {
		return d.broken(m, err)
	}
	if !d.sent {
		d.w.WriteHeader(d.status)
	}
	d.count(m)
	return nil
}

// plain is an error of reading an answer as it may be logged.
func plain(err error) error {
	if errors.Is(err, upstream.ErrCredential) {
		return upstream.ErrCredential
	}
	return upstream.Plain(err)
}

func (d *downstream) head(res *http.Response) {
	h := d.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if d.media != "" {
		h.Set("Content-Type", d.media)
	} else {
		h["Content-Type"] = nil
	}
	if v := res.Header.Get("Audit-Id"); len(v) == 36 && strings.Trim(v, "0123456789abcdef-") == "" {
		h.Set("Audit-Id", v)
	}
	if v := res.Header.Get("Retry-After"); isDelay(v) {
		h.Set("Retry-After", v)
	}
	if !d.e.c.IsResource && d.e.mask(kube.OutputBody) == nil {
		if v := res.Header.Get("Etag"); v != "" {
			h.Set("Etag", v)
		}
		if v := res.Header.Get("Cache-Control"); v == "public" || v == "public, immutable" {
			h.Set("Cache-Control", v)
		}
	}
}

// isDelay reports whether s is a delay of a day at most.
func isDelay(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 86400
}

func (d *downstream) begin() error {
	d.w.WriteHeader(d.status)
	d.sent = true
	return http.NewResponseController(d.w).Flush()
}

// put records a piece and lets it leave.
func (d *downstream) put(m mask.Masked) error {
	if m.Len() == 0 {
		return nil
	}
	if err := d.e.sess.Record(d.p, recordBody, m); err != nil {
		return err
	}
	if !d.sent {
		d.w.WriteHeader(d.status)
		d.sent = true
	}
	n, err := m.WriteTo(d.w)
	d.n += uint64(n) //nolint:gosec // it is no negative number
	if err == nil && d.live {
		err = http.NewResponseController(d.w).Flush()
	}
	return err
}

func (d *downstream) count(m *mask.Body) {
	output := kube.OutputBody
	if d.e.mask(kube.OutputBody) == nil {
		output = kube.OutputData
	}
	d.e.counts = append(d.e.counts, m.Counts(d.e.like(output))...)
	if output == kube.OutputBody && d.e.mask(kube.OutputData) != nil && d.e.shown(kube.OutputData) == kubemask.Whole {
		d.e.counts = append(d.e.counts, mask.Whole(d.e.like(kube.OutputData)))
	}
}

// broken ends an answer that cannot be delivered whole.
func (d *downstream) broken(m *mask.Body, err error) error {
	m.Abort()
	d.count(m)
	if !d.sent {
		return d.e.withhold(d.w, err)
	}
	return errors.Join(httpgate.ErrBroken, err)
}

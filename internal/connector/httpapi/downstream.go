// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"io"
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// downstream writes an answer to a client. It takes masked bytes only, and each
// piece is recorded before it leaves.
type downstream struct {
	w    http.ResponseWriter
	e    *exchange
	p    session.Permit
	live bool // pieces leave as they come
	n    uint64
	sent bool // the head is out
}

// pieceSize is how much of an answer is masked at once, in bytes.
const pieceSize = 32 << 10

// all delivers an answer to its end. Once a part of it has left, an error can
// only break the connection off, so that no client takes the part for the whole.
func (d *downstream) all(res *http.Response, media string, in io.Reader, m *mask.Body) error {
	d.head(res, media)
	buf := make([]byte, pieceSize)
	for {
		got, err := in.Read(buf)
		if got > 0 {
			piece, merr := m.Write(mask.FromUpstream(buf[:got]))
			if merr == nil {
				merr = d.put(piece, res.StatusCode)
			}
			if merr != nil {
				return d.broken(m, merr)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return d.broken(m, upstream.Plain(err))
		}
	}
	rest, err := m.Flush()
	if err == nil {
		err = d.put(rest, res.StatusCode)
	}
	if err != nil {
		return d.broken(m, err)
	}
	if !d.sent {
		d.w.WriteHeader(res.StatusCode)
	}
	d.count(m)
	return nil
}

func (d *downstream) head(res *http.Response, media string) {
	h := d.w.Header()
	for name, values := range answerHeaders(res.Header, d.e.link) {
		h[name] = values
	}
	if media != "" {
		h.Set("Content-Type", media)
	} else {
		h["Content-Type"] = nil // none, and not one that is guessed from the masked bytes
	}
}

// put records a piece and lets it leave.
func (d *downstream) put(m mask.Masked, status int) error {
	if m.Len() == 0 {
		return nil
	}
	if err := d.e.sess.Record(d.p, recordBody, m); err != nil {
		return err
	}
	if !d.sent {
		d.w.WriteHeader(status)
		d.sent = true
	}
	n, err := m.WriteTo(d.w)
	d.n += uint64(n)
	if err == nil && d.live {
		err = http.NewResponseController(d.w).Flush()
	}
	return err
}

func (d *downstream) count(m *mask.Body) { d.e.counts = append(d.e.counts, m.Counts(d.e.like(0))...) }

// broken ends an answer that cannot be delivered whole.
func (d *downstream) broken(m *mask.Body, err error) error {
	m.Abort()
	d.count(m)
	if !d.sent {
		for name := range d.w.Header() {
			d.w.Header().Del(name)
		}
		return d.e.withhold(d.w, err)
	}
	return errors.Join(httpgate.ErrBroken, err)
}

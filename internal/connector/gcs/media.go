// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// media answers with the content of an object.
func (e *exchange) media(w http.ResponseWriter, p session.Permit, o *upstream.Outcome) error {
	m := e.maskOf(0)
	if m == nil {
		return e.clear(w, p, o)
	}
	meta, res, err := e.resource(p)
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	if meta == nil {
		defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
		return e.describe(w, p, res, o)
	}
	obj, err := e.known(p, 0, *m, meta, false)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Denied {
			e.counts = append(e.counts, mask.Whole(e.like(0)))
		}
		return err
	}
	defer func() { _ = obj.Close() }() // it is only read
	return e.deliver(w, p, o, meta, obj)
}

// clear passes the content of an object that policy shows as it is, by ranges and
// packed as the client asks for it.
func (e *exchange) clear(w http.ResponseWriter, p session.Permit, o *upstream.Outcome) error {
	h := e.headers()
	for _, name := range []string{"Range", "Accept-Encoding", "If-None-Match"} {
		if v := e.request.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	if h.Get("Accept-Encoding") == "" {
		h.Set("Accept-Encoding", "identity")
	}
	res, err := e.ask(p, e.request.Method, e.mediaAddress(e.call.Params), nil, 0, h)
	if err != nil {
		o.Status = upstream.Unanswered(err)
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	if res.StatusCode >= http.StatusBadRequest {
		return e.describe(w, p, res, o)
	}
	for name, values := range res.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-goog-") || strings.HasPrefix(low, "content-") || low == "etag" || low == "last-modified" || low == "accept-ranges" || low == "cache-control" || low == "expires" || low == "vary" {
			w.Header()[name] = values
		}
	}
	if res.Header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // none, and not one that is guessed from the bytes
	}
	o.Code = res.StatusCode
	body := mask.ClearBody()
	in := make([]byte, 128<<10)
	w.WriteHeader(res.StatusCode)
	for {
		n, err := res.Body.Read(in)
		if n > 0 {
			piece, merr := body.Write(mask.FromUpstream(in[:n]))
			if merr == nil {
				merr = e.put(w, p, o, piece)
			}
			if merr != nil {
				return errors.Join(httpgate.ErrBroken, merr)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.Join(httpgate.ErrBroken, upstream.Plain(err))
		}
	}
}

// put records a piece and lets it leave.
func (e *exchange) put(w http.ResponseWriter, p session.Permit, o *upstream.Outcome, m mask.Masked) error {
	if err := e.record(p, recordBody, m); err != nil {
		return err
	}
	n, err := m.WriteTo(w)
	o.Bytes += uint64(n)
	return err
}

// mediaAddress is where an object's content is.
func (e *exchange) mediaAddress(params url.Values) *url.URL {
	return e.t.content(e.call.Bucket, e.call.Object, params)
}

func (t *Target) content(bucket, object string, params url.Values) *url.URL {
	q := url.Values{"alt": {"media"}}
	for name, v := range params {
		q[name] = v
	}
	return t.at("/storage/v1/b/"+url.PathEscape(bucket)+"/o/"+url.PathEscape(object), q)
}

// resource asks for the description of the call's object. An answer that is none is
// returned as it came.
func (e *exchange) resource(p session.Permit) (*object, *http.Response, error) {
	h := http.Header{"Accept-Encoding": {"identity"}, "User-Agent": {e.request.UserAgent()}}
	res, err := e.ask(p, http.MethodGet, e.t.at("/storage/v1/b/"+url.PathEscape(e.call.Bucket)+"/o/"+url.PathEscape(e.call.Object), e.call.Params), nil, 0, h)
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, res, nil
	}
	defer res.Body.Close() //nolint:errcheck // it was read whole
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, nil, halfAnswer(err)
	}
	o, err := readObject(b)
	return o, nil, err
}

func halfAnswer(err error) error {
	return sallyport.E(sallyport.Unavailable, "gcs", "the target's answer broke off").WithHint("ask again").Because(upstream.Plain(err))
}

// making says which object is shown in place of one, and how it is made.
func (e *exchange) making(p session.Permit, output int, m sallyport.Mask, meta *object) (derived.Key, derived.Making) {
	key := derived.Key{Resource: e.t.cfg.Resource, Bucket: meta.Bucket, Object: meta.Name, Generation: meta.Generation}
	return key, derived.Making{
		Source: &source{e: e, permit: p, meta: meta}, Masks: e.t.objects, Scan: m.Scan, Like: e.like(output),
	}
}

// source is an object of the service at one generation.
type source struct {
	e      *exchange
	permit session.Permit
	meta   *object
}

// Size implements [objectmask.Source].
func (s *source) Size() int64 { return s.meta.Size }

// Name implements [objectmask.Source].
func (s *source) Name() string { return s.meta.Name }

// ContentType implements [objectmask.Source].
func (s *source) ContentType() string { return s.meta.ContentType }

// ContentEncoding implements [objectmask.Source].
func (s *source) ContentEncoding() string { return s.meta.ContentEncoding }

// Open implements [objectmask.Source]. Content that is packed comes as it is kept,
// and of the generation that was asked for only. It was permitted when the reading
// began; others may wait for it when the caller has left.
func (s *source) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	h := http.Header{"Accept-Encoding": {"gzip"}}
	whole := offset == 0 && (length < 0 || length >= s.meta.Size)
	if !whole {
		r := "bytes=" + strconv.FormatInt(offset, 10) + "-"
		if length >= 0 {
			r += strconv.FormatInt(offset+length-1, 10)
		}
		h.Set("Range", r)
	}
	t := s.e.t
	to := t.content(s.meta.Bucket, s.meta.Name, url.Values{"generation": {strconv.FormatInt(s.meta.Generation, 10)}})
	res, err := t.client.Ask(ctx, s.e.sess, s.permit, upstream.Request{Verb: http.MethodGet, To: to, Header: h})
	if err != nil {
		return nil, err
	}
	switch {
	case whole && res.StatusCode == http.StatusOK, !whole && res.StatusCode == http.StatusPartialContent:
		return res.Body, nil
	}
	err = sallyport.E(sallyport.Unavailable, "gcs", "the object's content is not given out as it was described").WithHint("ask again; it may have been replaced").
		Because(errors.New("the service answers " + res.Status))
	return nil, errors.Join(err, res.Body.Close())
}

// deliver answers with a masked object, or the range of it that is asked for.
func (e *exchange) deliver(w http.ResponseWriter, p session.Permit, o *upstream.Outcome, meta *object, obj *derived.Object) error {
	e.counts = append(e.counts, obj.Counts...)
	h := w.Header()
	h.Set("Content-Type", obj.ContentType)
	h.Set("ETag", `"`+obj.ETag+`"`)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "private, max-age=0, no-transform")
	h.Set("X-Goog-Hash", "crc32c="+crc(obj)+",md5="+base64.StdEncoding.EncodeToString(obj.MD5[:]))
	h.Set("X-Goog-Generation", strconv.FormatInt(meta.Generation, 10))
	h.Set("X-Goog-Metageneration", meta.Metageneration)
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(obj.Size, 10))
	h.Set("X-Goog-Stored-Content-Encoding", "identity")
	if meta.StorageClass != "" {
		h.Set("X-Goog-Storage-Class", meta.StorageClass)
	}
	if at, err := time.Parse(time.RFC3339, meta.Updated); err == nil {
		h.Set("Last-Modified", at.UTC().Format(http.TimeFormat))
	}
	begin, length, ok := rangeOf(e.request.Header.Get("Range"), obj.Size)
	if !ok {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(obj.Size, 10))
		o.Code = http.StatusRequestedRangeNotSatisfiable
		h.Del("Content-Type")
		w.WriteHeader(o.Code)
		return nil
	}
	o.Code = http.StatusOK
	if length < obj.Size || begin > 0 {
		o.Code = http.StatusPartialContent
		h.Set("Content-Range", "bytes "+strconv.FormatInt(begin, 10)+"-"+strconv.FormatInt(begin+length-1, 10)+"/"+strconv.FormatInt(obj.Size, 10))
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(o.Code)
	if e.request.Method == http.MethodHead {
		return nil
	}
	r := obj.Read(begin, length)
	defer func() { _ = r.Close() }() // it is only read
	for {
		piece, err := r.Next(e.request.Context())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = e.put(w, p, o, piece)
		}
		if err != nil {
			return errors.Join(httpgate.ErrBroken, err)
		}
	}
}

// crc is an object's checksum as the service writes it: base64 of the four bytes,
// the most significant first.
func crc(o *derived.Object) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.CRC32C))
}

// rangeOf reads a Range header for a size (RFC 9110, section 14.2). One that is no
// single range of bytes counts as none; ok is false where it lies outside.
func rangeOf(header string, size int64) (begin, length int64, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	if !found || strings.Contains(spec, ",") {
		return 0, size, true
	}
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return 0, size, true
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return 0, size, true
		}
		n = min(n, size)
		return size - n, n, n > 0
	}
	begin, err := strconv.ParseInt(first, 10, 64)
	if err != nil || begin < 0 {
		return 0, size, true
	}
	end := size - 1
	if last != "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < begin {
			return 0, size, true
		}
		end = min(n, end)
	}
	if begin >= size {
		// An empty object has no range; the whole of it is what is asked for.
		return 0, 0, size == 0 && begin == 0
	}
	return begin, end - begin + 1, true
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
)

// Bounds of a batch; the first two are the service's own.
const (
	maxParts       = 100
	maxBatch       = 10 << 20 // bytes of all requests
	maxPart        = 1 << 20  // bytes of one request
	maxPartAnswer  = 8 << 20  // bytes of one answer
	maxBatchAnswer = 32 << 20 // bytes of all answers
)

func isBatch(path string) bool {
	return path == "/batch" || strings.HasPrefix(path, "/batch/") || strings.HasSuffix(path, "/batch/storage/v1")
}

// batch takes a batch apart. Each of its requests goes its own way through the
// engine, one after the other, and has its own answer.
func (t *Target) batch(w http.ResponseWriter, r *http.Request, v httpgate.Visit) error {
	told := func(err error) error {
		fail(w, r, err)
		return err
	}
	boundary, err := boundaryOf(r.Header.Get("Content-Type"))
	if err != nil || r.Method != http.MethodPost {
		return told(bad("the batch is no multipart message", "send multipart/mixed with one request in each part"))
	}
	var asked []*inner
	in := multipart.NewReader(io.LimitReader(r.Body, maxBatch), boundary)
	for {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var one *inner
		if err == nil {
			one, err = readInner(part, r)
		}
		if err != nil || len(asked) == maxParts {
			// Errors of mime/multipart quote the lines that they are about.
			return told(bad("the batch cannot be read", fmt.Sprintf("send up to %d requests, each whole and without content of objects, in %d MiB", maxParts, maxBatch>>20)))
		}
		asked = append(asked, one)
	}
	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	var errs []error
	for i, one := range asked {
		asked[i] = nil // what it holds is not needed any longer than for its answer
		if body.Len() > maxBatchAnswer-maxPartAnswer {
			fail(one, one.r, sallyport.E(sallyport.Exhausted, "gcs", "the answers of the batch are too large").WithHint("send this request again, in another batch"))
			if err := one.writeTo(out); err != nil {
				return told(err)
			}
			continue
		}
		inside := v
		inside.Path = one.r.URL.EscapedPath()
		if rest, ok := strings.CutPrefix(inside.Path, v.Base); ok && v.Base != "" {
			inside.Path = rest
		}
		if err := t.serve(one, one.r, inside); err != nil {
			errs = append(errs, err)
		}
		if err := one.writeTo(out); err != nil {
			return told(err)
		}
	}
	if err := out.Close(); err != nil {
		return told(err)
	}
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+out.Boundary())
	w.WriteHeader(http.StatusOK)
	_, err = body.WriteTo(w)
	return errors.Join(append(errs, err)...)
}

// inner is one request of a batch, and where its answer is written to.
type inner struct {
	r      *http.Request
	id     string
	header http.Header
	status int
	body   bytes.Buffer
}

// readInner reads one part of a batch.
func readInner(part *multipart.Part, outer *http.Request) (*inner, error) {
	if media, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || media != "application/http" {
		return nil, errors.New("a part is no request")
	}
	text, err := io.ReadAll(io.LimitReader(part, maxPart+1))
	if err != nil || len(text) > maxPart {
		return nil, errors.Join(err, errors.New("a part is too large"))
	}
	// A request without an end of its headers is common in batches.
	if !bytes.Contains(text, []byte("\r\n\r\n")) && !bytes.Contains(text, []byte("\n\n")) {
		text = append(bytes.TrimRight(text, "\r\n"), "\r\n\r\n"...)
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) == 2 {
		text = append([]byte(fields[0]+" "+fields[1]+" HTTP/1.1\r\n"), rest...)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return nil, errors.New("a part is no request of HTTP")
	}
	if strings.Contains(r.URL.Path, "/upload/") || r.URL.Query().Get("alt") == "media" || isBatch(r.URL.Path) || strings.HasPrefix(r.URL.Path, "/download/") {
		return nil, errors.New("content of objects is not sent in batches")
	}
	r.Header.Del("Authorization") // the batch has one for all
	r.Host, r.TLS, r.RemoteAddr, r.RequestURI = outer.Host, outer.TLS, outer.RemoteAddr, ""
	r.URL.Scheme, r.URL.Host = "", ""
	return &inner{r: r.WithContext(outer.Context()), id: part.Header.Get("Content-Id"), header: http.Header{}}, nil
}

// Header implements [http.ResponseWriter].
func (i *inner) Header() http.Header { return i.header }

// WriteHeader implements [http.ResponseWriter].
func (i *inner) WriteHeader(status int) {
	if i.status == 0 {
		i.status = status
	}
}

// Write implements [http.ResponseWriter].
func (i *inner) Write(b []byte) (int, error) {
	i.WriteHeader(http.StatusOK)
	if i.body.Len()+len(b) > maxPartAnswer {
		return 0, errors.New("an answer within a batch is too large")
	}
	return i.body.Write(b)
}

// writeTo writes the answer as a part of the batch's.
func (i *inner) writeTo(out *multipart.Writer) error {
	h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
	if id := i.id; id != "" && len(id) < 200 {
		if inside, ok := strings.CutPrefix(id, "<"); ok {
			id = "<response-" + inside
		} else {
			id = "response-" + id
		}
		h.Set("Content-ID", id)
	}
	part, err := out.CreatePart(h)
	if err != nil {
		return err
	}
	i.WriteHeader(http.StatusOK)
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", i.status, http.StatusText(i.status))
	i.header.Set("Content-Length", fmt.Sprint(i.body.Len()))
	if err := i.header.Write(&head); err != nil {
		return err
	}
	head.WriteString("\r\n")
	if _, err := head.WriteTo(part); err != nil {
		return err
	}
	_, err = i.body.WriteTo(part)
	return err
}

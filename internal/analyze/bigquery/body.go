// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxMetadata bounds the job in front of an uploaded file, in bytes.
const maxMetadata = 1 << 20

// read takes the request's body in and checks it against the method's schema.
func (b *build) read(r Request, p place) error {
	body, err := decoded(r)
	if err != nil {
		return err
	}
	if p.upload {
		if body, err = b.upload(r, p, body); err != nil || body == nil {
			return err
		}
	}
	data, err := limited(body, MaxBody)
	if err != nil {
		return err
	}
	if b.c.Method.Request == "" {
		return b.empty(data)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		if b.c.Method.ID == "bigquery.datasets.undelete" || strings.HasSuffix(b.c.Method.Path, ":getIamPolicy") {
			data = []byte("{}")
		} else {
			return invalid("the request has no body", "send the JSON object that the method takes")
		}
	}
	if !p.upload && !isJSON(r.header("Content-Type")) {
		return invalid("the body is not sent as JSON", "send Content-Type: application/json")
	}
	v, err := parseJSON(data)
	if err != nil {
		return invalid(err.Error(), "send one JSON object")
	}
	b.c.body, err = b.a.schemas.check(v, b.c.Method.Request, "")
	return err
}

// empty refuses what a method has no use for. Some clients send an empty object.
func (b *build) empty(data []byte) error {
	switch strings.TrimSpace(string(data)) {
	case "", "{}", "null":
		return nil
	}
	return invalid("the method takes no body", "send the request without one")
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	t, ps, err := mime.ParseMediaType(contentType)
	return err == nil && t == "application/json" && (ps["charset"] == "" || strings.EqualFold(ps["charset"], "utf-8"))
}

// decoded unpacks a body. Only gzip is known.
func decoded(r Request) (io.Reader, error) {
	if r.Body == nil {
		return strings.NewReader(""), nil
	}
	if len(r.Header["Content-Encoding"]) > 1 {
		return nil, invalid("the body is packed more than once", "send it plain, or packed with gzip")
	}
	switch strings.ToLower(r.header("Content-Encoding")) {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, invalid("the body is not packed as gzip packs", "send it plain").Because(errBody)
		}
		return z, nil
	}
	return nil, invalid("the body is packed in a way that is not known", "send it plain, or packed with gzip")
}

var errBody = errors.New("the body cannot be read")

// limited reads all of a body, as long as it is not too long.
func limited(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, invalid("the body broke off or cannot be unpacked", "send the request again").Because(errBody)
	case int64(len(data)) > most:
		return nil, sallyport.E(sallyport.Invalid, op, "the body is too long").WithHint("send at most 10 MiB, unpacked; load files instead of rows")
	}
	return data, nil
}

// upload finds out how the file of a job comes along. It returns the job's own
// part of the body, or nil where there is none.
func (b *build) upload(r Request, p place, body io.Reader) (io.Reader, error) {
	c := b.c
	kind := c.params.upload
	if kind == "" && p.resumable {
		kind = "resumable"
	}
	switch {
	case r.Method == "PUT":
		if c.params.id == "" || kind != "resumable" {
			return nil, invalid("a part of a file has no upload that it belongs to", "send it to the address that the begin of the upload was answered with")
		}
		c.Upload, c.UploadID, c.Media, c.MediaType = UploadContinue, c.params.id, body, r.header("Content-Type")
		return nil, nil
	case c.params.id != "":
		return nil, invalid("the begin of an upload has an upload_id", "leave it out")
	case kind == "resumable":
		if !isJSON(r.header("Content-Type")) {
			return nil, invalid("the job of an upload is not sent as JSON", "send Content-Type: application/json")
		}
		c.Upload, c.MediaType = UploadBegin, r.header("X-Upload-Content-Type")
		return body, nil
	case kind == "multipart":
		return b.multipart(r.header("Content-Type"), body)
	}
	return nil, invalid("the upload says not what kind it is", "send uploadType=multipart or uploadType=resumable")
}

// multipart takes a body of two parts apart: the job, and the file, which is not
// read here.
func (b *build) multipart(contentType string, body io.Reader) (io.Reader, error) {
	bad := func(why string) (io.Reader, error) {
		return nil, invalid("the body "+why, "send multipart/related: the job as application/json, then the file")
	}
	t, ps, err := mime.ParseMediaType(contentType)
	if err != nil || t != "multipart/related" || ps["boundary"] == "" || len(ps["boundary"]) > 70 {
		return bad("is no multipart/related")
	}
	m := multipart.NewReader(body, ps["boundary"])
	first, err := m.NextRawPart()
	if err != nil || !isJSON(first.Header.Get("Content-Type")) || !plainPart(first) {
		return bad("does not begin with a job in JSON")
	}
	job, err := limited(first, maxMetadata)
	if err != nil {
		return nil, err
	}
	file, err := m.NextRawPart()
	if err != nil || !plainPart(file) {
		return bad("has no file behind the job")
	}
	c := b.c
	c.Upload, c.MediaType, c.Media = UploadMultipart, file.Header.Get("Content-Type"), &media{m: m, file: file}
	return bytes.NewReader(job), nil
}

// plainPart reports whether a part is what it says, byte for byte.
func plainPart(p *multipart.Part) bool {
	switch strings.ToLower(p.Header.Get("Content-Transfer-Encoding")) {
	case "", "binary", "7bit", "8bit":
		return p.Header.Get("Content-Encoding") == ""
	}
	return false
}

// media reads the file of a multipart body, and holds that nothing follows it.
type media struct {
	m    *multipart.Reader
	file *multipart.Part
}

// Read reads the file. It fails where the body breaks off, or has a third part.
func (m *media) Read(p []byte) (int, error) {
	n, err := m.file.Read(p)
	if !errors.Is(err, io.EOF) {
		if err != nil {
			return n, errBody
		}
		return n, nil
	}
	// A body that ends behind a boundary that is not the last one fails with an error
	// that wraps io.EOF.
	if _, next := m.m.NextRawPart(); next != io.EOF { //nolint:errorlint // for that reason
		return n, invalid("the body has more than a job and a file, or broke off", "send one file").Because(errBody)
	}
	return n, io.EOF
}

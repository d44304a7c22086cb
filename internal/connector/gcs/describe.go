// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/gcs"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

// maxAnswer bounds an answer of the JSON API that is no content, in bytes.
const maxAnswer = 64 << 20

// object is what the gateway needs of an object's description.
type object struct {
	Bucket          string `json:"bucket"`
	Name            string `json:"name"`
	Generation      int64  `json:"generation,string"`
	Metageneration  string `json:"metageneration"`
	Size            int64  `json:"size,string"`
	ContentType     string `json:"contentType"`
	ContentEncoding string `json:"contentEncoding"`
	StorageClass    string `json:"storageClass"`
	Updated         string `json:"updated"`
}

func readObject(b []byte) (*object, error) {
	var o object
	if err := json.Unmarshal(b, &o); err != nil || o.Bucket == "" || o.Name == "" || o.Size < 0 {
		return nil, sallyport.E(sallyport.Unavailable, "gcs", "the target describes the object in a form that is not known").Because(err)
	}
	return &o, nil
}

// describe delivers an answer of the JSON API that is no content.
func (e *exchange) describe(w http.ResponseWriter, p session.Permit, res *http.Response, o *upstream.Outcome) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil || len(b) > maxAnswer {
		return halfAnswer(err)
	}
	out, media, err := e.described(p, res, b)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	// X-Guploader-Uploadid is not among them: with it an upload goes on without the
	// gateway.
	for _, name := range []string{"Retry-After", "Range", "X-Goog-Hash", "X-Goog-Generation", "X-Goog-Metageneration"} {
		if v := res.Header.Get(name); v != "" && (e.in.media != nil || name == "Retry-After") {
			h.Set(name, v)
		}
	}
	if to := res.Header.Get("Location"); to != "" && e.call.UploadType == "resumable" && res.StatusCode < 300 {
		path := "/upload/storage/v1/b/" + url.PathEscape(e.call.Bucket) + "/o"
		own, err := e.t.uploads.begin(upload{owner: e.owner(), bucket: e.call.Bucket, object: e.call.Object, path: e.base + path}, to)
		if err != nil {
			return err
		}
		h.Set("Location", e.origin()+path+"?uploadType=resumable&upload_id="+own)
	}
	if media == "" {
		h["Content-Type"] = nil
	} else {
		h.Set("Content-Type", media)
	}
	length := 0
	for _, m := range out {
		length += m.Len()
		if err := e.record(p, recordBody, m); err != nil {
			return err
		}
	}
	h.Set("Content-Length", strconv.Itoa(length))
	o.Code = res.StatusCode
	w.WriteHeader(res.StatusCode)
	for _, m := range out {
		n, err := m.WriteTo(w)
		if o.Bytes += uint64(n); err != nil {
			return errors.Join(httpgate.ErrBroken, err)
		}
	}
	return nil
}

// described is the answer as the client gets it.
func (e *exchange) described(p session.Permit, res *http.Response, b []byte) ([]mask.Masked, string, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, "", nil
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return e.refusal(res, b)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(b, &doc); err != nil {
		if e.call.Surface == analyze.XML {
			return nil, "", nil // what the XML API says of an upload is in headers
		}
		return nil, "", sallyport.E(sallyport.Unavailable, "gcs", "the target answers in a form that is not known").Because(err)
	}
	if err := e.rewrite(p, doc); err != nil {
		return nil, "", err
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, "", sallyport.E(sallyport.Internal, "gcs", "the answer cannot be written again").Because(err)
	}
	// What is left describes buckets and objects, which policy let the caller read.
	m, err := mask.ClearBody().Write(mask.FromUpstream(out))
	return []mask.Masked{m}, "application/json; charset=UTF-8", err
}

// refusal is an error of the service in the gateway's words: the service's can name
// what is in an object. The words by which clients tell errors apart are kept.
func (e *exchange) refusal(res *http.Response, b []byte) ([]mask.Masked, string, error) {
	msg := "the target answers " + strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode)
	if e.call.Surface == analyze.XML {
		var x struct {
			Code string `xml:"Code"`
		}
		if xml.Unmarshal(b, &x) != nil || !isWord(x.Code) {
			x.Code = "InternalError"
		}
		return []mask.Masked{mask.Synthetic(xmlError(x.Code, msg, ""))}, "application/xml; charset=UTF-8", nil
	}
	var x struct {
		Error struct {
			Status string `json:"status"`
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	reason := "backendError"
	if json.Unmarshal(b, &x) == nil && len(x.Error.Errors) > 0 && isWord(x.Error.Errors[0].Reason) {
		reason = x.Error.Errors[0].Reason
	}
	if !isWord(x.Error.Status) {
		x.Error.Status = ""
	}
	f := googleapi.Refusal(res.StatusCode, msg, reason, x.Error.Status)
	return []mask.Masked{mask.Synthetic(f.Body)}, "application/json; charset=UTF-8", nil
}

// isWord reports whether s is a word of the interface and cannot be data.
func isWord(s string) bool {
	return s != "" && len(s) <= 60 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// rewrite makes the answer's links lead through the gateway, and describes masked
// objects as the client will get them.
func (e *exchange) rewrite(p session.Permit, doc map[string]json.RawMessage) error {
	if string(doc["kind"]) == `"storage#rewriteResponse"` || doc["resource"] != nil {
		// Clients want the members, but they are the size of what is not shown.
		for _, name := range []string{"objectSize", "totalBytesRewritten"} {
			if doc[name] != nil && e.maskOf(0) != nil {
				doc[name] = json.RawMessage(`"0"`)
			}
		}
		return e.nested(p, doc, "resource")
	}
	if items := doc["items"]; items != nil {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(items, &list); err != nil {
			return sallyport.E(sallyport.Unavailable, "gcs", "the target's list is in a form that is not known").Because(err)
		}
		e.budget = listBudget
		if !sizesWanted(e.request.URL.Query().Get("fields")) {
			e.budget = 0
		}
		for _, item := range list {
			if err := e.item(p, item, true); err != nil {
				return err
			}
		}
		return write(doc, "items", list)
	}
	if e.call.ID == "objects.list" {
		return nil // of folders only
	}
	return e.item(p, doc, false)
}

func (e *exchange) nested(p session.Permit, doc map[string]json.RawMessage, name string) error {
	var inner map[string]json.RawMessage
	if doc[name] == nil {
		return nil
	}
	if err := json.Unmarshal(doc[name], &inner); err != nil {
		return sallyport.E(sallyport.Unavailable, "gcs", "the target answers in a form that is not known").Because(err)
	}
	if err := e.item(p, inner, false); err != nil {
		return err
	}
	return write(doc, name, inner)
}

func write(doc map[string]json.RawMessage, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return sallyport.E(sallyport.Internal, "gcs", "the answer cannot be written again").Because(err)
	}
	doc[name] = b
	return nil
}

// item rewrites one resource.
func (e *exchange) item(p session.Permit, doc map[string]json.RawMessage, listed bool) error {
	for _, name := range []string{"selfLink", "mediaLink"} {
		var to string
		if doc[name] == nil || json.Unmarshal(doc[name], &to) != nil {
			continue
		}
		link, ok := e.link(to)
		if !ok {
			delete(doc, name)
		} else if err := write(doc, name, link); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(e.call.ID, "objects.") || e.call.ID == "objects.insert" {
		return nil // no object, or one that the client made itself
	}
	if doc["bucket"] == nil || doc["name"] == nil || doc["generation"] == nil {
		// Which object it is cannot be told, so that it is shown by the strictest verdict.
		if e.admission != nil && len(e.admission.Masks()) == 0 {
			return nil
		}
		return e.veil(p, doc, -1, nil, nil, listed)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	meta, err := readObject(b)
	if err != nil {
		return err
	}
	output := e.placeOf(meta.Bucket, meta.Name)
	m := e.maskOf(output)
	if m == nil && output >= 0 {
		return nil
	}
	return e.veil(p, doc, output, m, meta, listed)
}

// shown are the members of a masked object's description that say nothing of its
// content. Those that do are made anew.
func shown(name string) bool {
	switch name {
	case "kind", "id", "selfLink", "mediaLink", "name", "bucket", "generation", "metageneration", "contentType", "contentLanguage", "cacheControl", "storageClass",
		"timeCreated", "updated", "timeStorageClassUpdated", "timeDeleted", "softDeleteTime", "hardDeleteTime", "temporaryHold", "eventBasedHold", "retentionExpirationTime",
		"retention", "customTime", "timeFinalized":
		return true
	}
	return false
}

// listBudget is how much is masked to describe the objects of one list, in bytes of
// what they are made of.
const listBudget = 256 << 20

// sizesWanted reports whether a client asks for what only a masked object tells.
func sizesWanted(fields string) bool {
	if fields == "" || !strings.Contains(fields, "items(") && !strings.Contains(fields, "items/") {
		return fields == "" || strings.Contains(fields, "items") || strings.Contains(fields, "*")
	}
	for _, name := range []string{"size", "md5Hash", "crc32c", "etag", "*"} {
		if strings.Contains(fields, name) {
			return true
		}
	}
	return false
}

// veil describes a masked object as the client will get it. Of the objects of a list
// those are masked for it that the budget has room for; of the others it has neither
// size nor checksums, unless they were masked before.
func (e *exchange) veil(p session.Permit, doc map[string]json.RawMessage, output int, m *sallyport.Mask, meta *object, listed bool) error {
	for name := range doc {
		if !shown(name) {
			delete(doc, name)
		}
	}
	if m == nil || output < 0 {
		return nil
	}
	obj, err := e.known(p, output, *m, meta, listed)
	switch kind := sallyport.KindOf(err); {
	case obj == nil && err == nil, err != nil && (kind == sallyport.Denied || kind == sallyport.Integrity || listed && kind == sallyport.Exhausted):
		return nil // what cannot be masked is not given out, but it is there
	case err != nil:
		return err
	}
	defer func() { _ = obj.Close() }() // it is only read
	for name, v := range map[string]string{
		"size": strconv.FormatInt(obj.Size, 10), "crc32c": crc(obj), "md5Hash": base64.StdEncoding.EncodeToString(obj.MD5[:]), "etag": obj.ETag, "contentType": obj.ContentType,
	} {
		if err := write(doc, name, v); err != nil {
			return err
		}
	}
	return nil
}

// known returns the object that is shown in place of one, or nil where a list does not
// have it. The caller closes it.
func (e *exchange) known(p session.Permit, output int, m sallyport.Mask, meta *object, listed bool) (*derived.Object, error) {
	key, making := e.making(p, output, m, meta)
	if listed {
		if kept, err := e.t.cfg.Derived.Kept(key, making); kept != nil || err != nil || meta.Size > e.budget {
			return kept, err
		}
		e.budget -= meta.Size
	}
	return e.t.cfg.Derived.Get(e.request.Context(), key, making)
}

// origin is what stands before the service's paths for the client.
func (e *exchange) origin() string {
	scheme := "https"
	if e.request.TLS == nil {
		scheme = "http"
	}
	return scheme + "://" + e.request.Host + e.base
}

// link rewrites a link of the service; ok is false for one that leads elsewhere.
func (e *exchange) link(to string) (string, bool) {
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Host == "" {
		return "", false
	}
	path := u.EscapedPath()
	for _, p := range []string{"/storage/v1/", "/download/storage/v1/", "/upload/storage/v1/"} {
		if strings.HasPrefix(path, p) {
			if u.RawQuery != "" {
				path += "?" + u.RawQuery
			}
			return e.origin() + path, true
		}
	}
	return "", false
}

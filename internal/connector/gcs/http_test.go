// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

const csv = "/storage/v1/b/clinic-exports/o/2026%2Fpatients.csv"

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// TestOneObject wants everything that is said of a masked object to be of one and
// the same object: description, checksums, ranges, both interfaces.
func TestOneObject(t *testing.T) {
	t.Parallel()
	w := start(t)
	whole := w.ask(t, "GET", csv+"?alt=media", "")
	if whole.status != http.StatusOK || !strings.HasPrefix(whole.body, "mrn,name,ssn,birth,zip\n") {
		t.Fatalf("%d %s", whole.status, whole.body)
	}
	sum := md5.Sum([]byte(whole.body))
	crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(whole.body), crc32.MakeTable(crc32.Castagnoli))))
	md := base64.StdEncoding.EncodeToString(sum[:])
	if got := whole.header.Get("X-Goog-Hash"); got != "crc32c="+crc+",md5="+md {
		t.Errorf("hash %s", got)
	}
	var meta struct{ Size, MD5Hash, CRC32C, ETag, MediaLink, SelfLink, Generation string }
	got := w.ask(t, "GET", csv+"?fields=size", "")
	if err := json.Unmarshal([]byte(got.body), &meta); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s %v", got.status, got.body, err)
	}
	if meta.Size != strconv.Itoa(len(whole.body)) || meta.MD5Hash != md || meta.CRC32C != crc || `"`+meta.ETag+`"` != whole.header.Get("ETag") {
		t.Errorf("%+v for %d bytes, %v", meta, len(whole.body), whole.header)
	}
	for _, link := range []string{meta.MediaLink, meta.SelfLink} {
		if !strings.HasPrefix(link, "https://"+w.HTTPAddress()+"/") {
			t.Errorf("a link leads to %s", link)
		}
	}
	path := strings.TrimPrefix(meta.MediaLink, "https://"+w.HTTPAddress())
	if again := w.ask(t, "GET", path, ""); again.body != whole.body {
		t.Errorf("by its link: %d %s", again.status, again.body)
	}
	if xml := w.ask(t, "GET", "/clinic-exports/2026/patients.csv", ""); xml.body != whole.body || xml.header.Get("X-Goog-Generation") != meta.Generation {
		t.Errorf("by the XML API: %d %s", xml.status, xml.body)
	}
	head := w.ask(t, "HEAD", "/clinic-exports/2026/patients.csv", "")
	if head.status != http.StatusOK || head.header.Get("Content-Length") != meta.Size || head.body != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	n := len(whole.body)
	for r, want := range map[string]string{
		"bytes=0-3": whole.body[:4], "bytes=4-": whole.body[4:], "bytes=-5": whole.body[n-5:], "bytes=5-99999": whole.body[5:], "bytes=" + strconv.Itoa(n-1) + "-": whole.body[n-1:],
	} {
		got := w.ask(t, "GET", csv+"?alt=media", "", set("Range", r))
		if got.status != http.StatusPartialContent || got.body != want || !strings.HasSuffix(got.header.Get("Content-Range"), "/"+meta.Size) {
			t.Errorf("%s: %d %q %s", r, got.status, got.body, got.header.Get("Content-Range"))
		}
	}
	if got := w.ask(t, "GET", csv+"?alt=media", "", set("Range", "bytes=99999-")); got.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: %d", got.status)
	}
	listed := w.ask(t, "GET", "/storage/v1/b/clinic-exports/o?prefix=2026/", "")
	if !strings.Contains(listed.body, md) || strings.Contains(listed.body, hashOf(gcspeer.Clinic()[0].Content)) || strings.Contains(listed.body, hashOf(gcspeer.Clinic()[1].Content)) {
		t.Errorf("a list: %s", listed.body)
	}
}

func hashOf(text string) string {
	sum := md5.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestWithheld asks for what cannot be masked, or may not be had.
func TestWithheld(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.peer.Seed("clinic-exports", "scan.png", "image/png", "\x89PNG\r\n219-09-9991")
	w.peer.Seed("clinic-exports", "broken.parquet", "application/vnd.apache.parquet", "PAR1 219-09-9991 PAR1")
	before := len(w.peer.Requests())
	for what, got := range map[string]answer{
		"an unknown parameter":     w.ask(t, "GET", csv+"?wat=1", ""),
		"a token in the query":     w.ask(t, "GET", csv+"?access_token="+w.token, ""),
		"an override":              w.ask(t, "POST", csv, "", set("X-HTTP-Method-Override", "DELETE")),
		"a key of its own":         w.ask(t, "GET", csv+"?alt=media", "", set("X-Goog-Encryption-Key", "x")),
		"an ACL in a header":       w.ask(t, "PUT", "/clinic-public/x", "x", set("X-Goog-Acl", "public-read")),
		"a copy by a header":       w.ask(t, "PUT", "/clinic-public/x", "", set("X-Goog-Copy-Source", "clinic-exports/2026/patients.csv")),
		"HMAC keys":                w.ask(t, "POST", "/storage/v1/projects/p/hmacKeys?serviceAccountEmail=a", ""),
		"another bucket":           w.ask(t, "GET", "/storage/v1/b/elsewhere/o", ""),
		"a copy to a weaker place": w.ask(t, "POST", csv+"/rewriteTo/b/clinic-public/o/p.csv", ""),
		"a composition":            w.ask(t, "POST", "/storage/v1/b/clinic-exports/o/x/compose", `{"sourceObjects":[{"name":"a"}],"sourceObjects":[]}`),
		"an upload of nobody's":    w.ask(t, "PUT", "/upload/storage/v1/b/clinic-public/o?uploadType=resumable&upload_id=abc", "x"),
		"no token":                 w.ask(t, "GET", csv, "", func(r *http.Request) { r.Header.Del("Authorization") }),
	} {
		if got.status < 400 || got.status > 499 || !strings.Contains(got.body, "to do:") && !strings.Contains(got.body, "<Details>") && !strings.Contains(got.body, `"hint"`) {
			t.Errorf("%s: %d %s", what, got.status, got.body)
		}
	}
	if n := len(w.peer.Requests()); n != before {
		t.Errorf("the target was asked %d times: %+v", n-before, w.peer.Requests()[before:])
	}
	for _, name := range []string{"scan.png", "broken.parquet"} {
		got := w.ask(t, "GET", "/storage/v1/b/clinic-exports/o/"+name+"?alt=media", "")
		if got.status < 400 || strings.Contains(got.body, "219-09") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if meta := w.ask(t, "GET", "/storage/v1/b/clinic-exports/o/"+name, ""); strings.Contains(meta.body, "md5Hash") || strings.Contains(meta.body, "crc32c") {
			t.Errorf("%s is described by checksums: %d %s", name, meta.status, meta.body)
		}
	}
	w.peer.Fail(gcspeer.Fault{Next: 1, Path: "/storage/v1/b/clinic-public", Status: 503})
	if got := w.ask(t, "GET", "/storage/v1/b/clinic-public", ""); got.status != 503 || !strings.Contains(got.body, `"reason":"backendError"`) {
		t.Errorf("a failure of the target: %d %s", got.status, got.body)
	}
}

// TestBatch sends one request that passes, one that does not, and one that waits
// for a person.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := start(t)
	part := func(id, line string) string {
		return "--b\r\nContent-Type: application/http\r\nContent-ID: <" + id + ">\r\n\r\n" + line + "\r\n\r\n"
	}
	body := part("1", "GET /storage/v1/b/clinic-public/o/hours.txt HTTP/1.1") + part("2", "GET /storage/v1/b/elsewhere HTTP/1.1\r\nAuthorization: Bearer other") +
		part("3", "DELETE "+csv) + "--b--\r\n"
	done := make(chan answer, 1)
	go func() {
		done <- w.ask(t, "POST", "/batch/storage/v1", body, set("Content-Type", "multipart/mixed; boundary=b"))
	}()
	w.decide(t, "storage.objects.delete clinic-exports/*", "deny")
	got := <-done
	for _, want := range []string{"<response-1>", `"name":"hours.txt"`, "<response-2>", "HTTP/1.1 403", "no bucket of this name", "<response-3>", "HTTP/1.1 403"} {
		if got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("no %q: %d %s", want, got.status, got.body)
		}
	}
	if _, ok := w.peer.Object("clinic-exports", "2026/patients.csv"); !ok {
		t.Error("what was denied was done")
	}
	for what, bad := range map[string]string{
		"an upload": part("1", "POST /upload/storage/v1/b/clinic-public/o?uploadType=media&name=x HTTP/1.1") + "--b--\r\n",
		"a batch":   part("1", "POST /batch/storage/v1 HTTP/1.1") + "--b--\r\n",
		"no end":    part("1", "GET /storage/v1/b HTTP/1.1"),
	} {
		if got := w.ask(t, "POST", "/batch/storage/v1", bad, set("Content-Type", "multipart/mixed; boundary=b")); got.status != http.StatusBadRequest {
			t.Errorf("%s in a batch: %d %s", what, got.status, got.body)
		}
	}
}

// TestHeld deletes a bucket, and does what comes to the same.
func TestHeld(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, x := range []struct{ verb, path, body, held, how string }{
		{"DELETE", "/storage/v1/b/clinic-exports", "", "storage.buckets.delete clinic-exports", "deny"},
		{"PATCH", "/storage/v1/b/clinic-exports", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":0}}]}}`, "storage.buckets.patch clinic-exports", "deny"},
		{"PUT", "/storage/v1/b/clinic-exports/iam", `{"bindings":[]}`, "storage.buckets.setIamPolicy clinic-exports", "deny"},
		{"DELETE", csv, "", "storage.objects.delete clinic-exports/*", "deny"},
		{"DELETE", "/clinic-exports/notes/1001.txt", "", "storage.objects.delete clinic-exports/notes/*", "approve"},
	} {
		before := len(w.peer.Requests())
		done := make(chan answer, 1)
		go func() { done <- w.ask(t, x.verb, x.path, x.body) }()
		w.decide(t, x.held, x.how)
		got := <-done
		if n := len(w.peer.Requests()) - before; (n > 0) != (x.how == "approve") || (got.status < 300) != (x.how == "approve") {
			t.Errorf("%s %s, %s: %d %s, %d requests", x.verb, x.path, x.how, got.status, got.body, n)
		}
	}
	if _, ok := w.peer.Object("clinic-exports", "notes/1001.txt"); ok {
		t.Error("what was approved was not done")
	}
}

// TestUploadsOfOthers has another caller go on with an upload.
func TestUploadsOfOthers(t *testing.T) {
	t.Parallel()
	w := start(t)
	begun := w.ask(t, "POST", "/upload/storage/v1/b/clinic-public/o?uploadType=resumable&name=a.txt", `{"contentType":"text/plain"}`, set("Content-Type", "application/json"))
	at := strings.TrimPrefix(begun.header.Get("Location"), "https://"+w.HTTPAddress())
	if begun.status != http.StatusOK || !strings.HasPrefix(at, "/upload/storage/v1/b/clinic-public/o?") {
		t.Fatalf("%d %v %s", begun.status, begun.header, begun.body)
	}
	other := w.HumanToken(t, "bob")
	if got := w.ask(t, "PUT", "/r/lake/lake"+at, "x", set("Authorization", "Bearer "+other)); got.status < 400 {
		t.Errorf("another caller goes on with an upload: %d", got.status)
	}
	if got := w.ask(t, "PUT", strings.Replace(at, "clinic-public", "clinic-exports", 1), "x"); got.status < 400 {
		t.Errorf("an upload goes to another bucket: %d", got.status)
	}
	if got := w.ask(t, "PUT", at, "hello"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if text, ok := w.peer.Object("clinic-public", "a.txt"); !ok || text != "hello" {
		t.Errorf("the target has %q", text)
	}
	if got := w.ask(t, "PUT", at, "again"); got.status != http.StatusNotFound {
		t.Errorf("an upload that has ended goes on: %d", got.status)
	}
}

// TestTraces looks for values in what the gateway left behind.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, o := range gcspeer.Clinic() {
		if o.Bucket == "clinic-exports" {
			w.ask(t, "GET", "/clinic-exports/"+o.Name, "")
		}
	}
	w.ask(t, "POST", "/upload/storage/v1/b/clinic-exports/o?uploadType=media&name=219-09-9991.txt", "SSN 219-09-9992", set("Content-Type", "text/plain"))
	w.Stop(t)
	for name, b := range w.Gateway.Traces(t) {
		for _, c := range append(canaries(), "219-09-9991.txt", w.token) {
			if strings.Contains(string(b), c) {
				t.Errorf("%s holds %q", name, c)
			}
		}
	}
}

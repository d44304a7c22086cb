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

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
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
	whole := w.Ask(t, "GET", csv+"?alt=media", "")
	if whole.Status != http.StatusOK || !strings.HasPrefix(whole.Body, "mrn,name,ssn,birth,zip\n") {
		t.Fatalf("%d %s", whole.Status, whole.Body)
	}
	sum := md5.Sum([]byte(whole.Body))
	crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(whole.Body), crc32.MakeTable(crc32.Castagnoli))))
	md := base64.StdEncoding.EncodeToString(sum[:])
	if got := whole.Header.Get("X-Goog-Hash"); got != "crc32c="+crc+",md5="+md {
		t.Errorf("hash %s", got)
	}
	var meta struct{ Size, MD5Hash, CRC32C, ETag, MediaLink, SelfLink, Generation string }
	got := w.Ask(t, "GET", csv+"?fields=size", "")
	if err := json.Unmarshal([]byte(got.Body), &meta); err != nil || got.Status != http.StatusOK {
		t.Fatalf("%d %s %v", got.Status, got.Body, err)
	}
	if meta.Size != strconv.Itoa(len(whole.Body)) || meta.MD5Hash != md || meta.CRC32C != crc || `"`+meta.ETag+`"` != whole.Header.Get("ETag") {
		t.Errorf("%+v for %d bytes, %v", meta, len(whole.Body), whole.Header)
	}
	for _, link := range []string{meta.MediaLink, meta.SelfLink} {
		if !strings.HasPrefix(link, "https://"+w.HTTPAddress()+"/") {
			t.Errorf("a link leads to %s", link)
		}
	}
	path := strings.TrimPrefix(meta.MediaLink, "https://"+w.HTTPAddress())
	if again := w.Ask(t, "GET", path, ""); again.Body != whole.Body {
		t.Errorf("by its link: %d %s", again.Status, again.Body)
	}
	if xml := w.Ask(t, "GET", "/clinic-exports/2026/patients.csv", ""); xml.Body != whole.Body || xml.Header.Get("X-Goog-Generation") != meta.Generation {
		t.Errorf("by the XML API: %d %s", xml.Status, xml.Body)
	}
	head := w.Ask(t, "HEAD", "/clinic-exports/2026/patients.csv", "")
	if head.Status != http.StatusOK || head.Header.Get("Content-Length") != meta.Size || head.Body != "" {
		t.Errorf("HEAD: %d %v", head.Status, head.Header)
	}
	n := len(whole.Body)
	for r, want := range map[string]string{
		"bytes=0-3": whole.Body[:4], "bytes=4-": whole.Body[4:], "bytes=-5": whole.Body[n-5:], "bytes=5-99999": whole.Body[5:], "bytes=" + strconv.Itoa(n-1) + "-": whole.Body[n-1:],
	} {
		got := w.Ask(t, "GET", csv+"?alt=media", "", set("Range", r))
		if got.Status != http.StatusPartialContent || got.Body != want || !strings.HasSuffix(got.Header.Get("Content-Range"), "/"+meta.Size) {
			t.Errorf("%s: %d %q %s", r, got.Status, got.Body, got.Header.Get("Content-Range"))
		}
	}
	if got := w.Ask(t, "GET", csv+"?alt=media", "", set("Range", "bytes=99999-")); got.Status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: %d", got.Status)
	}
	listed := w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o?prefix=2026/", "")
	if !strings.Contains(listed.Body, md) || strings.Contains(listed.Body, hashOf(gcspeer.Clinic()[0].Content)) || strings.Contains(listed.Body, hashOf(gcspeer.Clinic()[1].Content)) {
		t.Errorf("a list: %s", listed.Body)
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
	for what, got := range map[string]gatewaytest.Answer{
		"an unknown parameter":     w.Ask(t, "GET", csv+"?wat=1", ""),
		"a token in the query":     w.Ask(t, "GET", csv+"?access_token="+w.Token, ""),
		"an override":              w.Ask(t, "POST", csv, "", set("X-HTTP-Method-Override", "DELETE")),
		"a key of its own":         w.Ask(t, "GET", csv+"?alt=media", "", set("X-Goog-Encryption-Key", "x")),
		"an ACL in a header":       w.Ask(t, "PUT", "/clinic-public/x", "x", set("X-Goog-Acl", "public-read")),
		"a copy by a header":       w.Ask(t, "PUT", "/clinic-public/x", "", set("X-Goog-Copy-Source", "clinic-exports/2026/patients.csv")),
		"HMAC keys":                w.Ask(t, "POST", "/storage/v1/projects/p/hmacKeys?serviceAccountEmail=a", ""),
		"another bucket":           w.Ask(t, "GET", "/storage/v1/b/elsewhere/o", ""),
		"a copy to a weaker place": w.Ask(t, "POST", csv+"/rewriteTo/b/clinic-public/o/p.csv", ""),
		"a composition":            w.Ask(t, "POST", "/storage/v1/b/clinic-exports/o/x/compose", `{"sourceObjects":[{"name":"a"}],"sourceObjects":[]}`),
		"an upload of nobody's":    w.Ask(t, "PUT", "/upload/storage/v1/b/clinic-public/o?uploadType=resumable&upload_id=abc", "x"),
		"no token":                 w.Ask(t, "GET", csv, "", func(r *http.Request) { r.Header.Del("Authorization") }),
	} {
		if got.Status < 400 || got.Status > 499 || !strings.Contains(got.Body, "to do:") && !strings.Contains(got.Body, "<Details>") && !strings.Contains(got.Body, `"hint"`) {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	if n := len(w.peer.Requests()); n != before {
		t.Errorf("the target was asked %d times: %+v", n-before, w.peer.Requests()[before:])
	}
	for _, name := range []string{"scan.png", "broken.parquet"} {
		got := w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o/"+name+"?alt=media", "")
		if got.Status < 400 || strings.Contains(got.Body, "219-09") {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if meta := w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o/"+name, ""); strings.Contains(meta.Body, "md5Hash") || strings.Contains(meta.Body, "crc32c") {
			t.Errorf("%s is described by checksums: %d %s", name, meta.Status, meta.Body)
		}
	}
	w.peer.Fail(gcspeer.Fault{Next: 1, Path: "/storage/v1/b/clinic-public", Status: 503})
	if got := w.Ask(t, "GET", "/storage/v1/b/clinic-public", ""); got.Status != 503 || !strings.Contains(got.Body, `"reason":"backendError"`) {
		t.Errorf("a failure of the target: %d %s", got.Status, got.Body)
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
	done := make(chan gatewaytest.Answer, 1)
	go func() {
		done <- w.Ask(t, "POST", "/batch/storage/v1", body, set("Content-Type", "multipart/mixed; boundary=b"))
	}()
	w.decide(t, "storage.objects.delete clinic-exports/*", "deny")
	got := <-done
	for _, want := range []string{"<response-1>", `"name":"hours.txt"`, "<response-2>", "HTTP/1.1 403", "no bucket of this name", "<response-3>", "HTTP/1.1 403"} {
		if got.Status != http.StatusOK || !strings.Contains(got.Body, want) {
			t.Errorf("no %q: %d %s", want, got.Status, got.Body)
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
		if got := w.Ask(t, "POST", "/batch/storage/v1", bad, set("Content-Type", "multipart/mixed; boundary=b")); got.Status != http.StatusBadRequest {
			t.Errorf("%s in a batch: %d %s", what, got.Status, got.Body)
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
		done := make(chan gatewaytest.Answer, 1)
		go func() { done <- w.Ask(t, x.verb, x.path, x.body) }()
		w.decide(t, x.held, x.how)
		got := <-done
		if n := len(w.peer.Requests()) - before; (n > 0) != (x.how == "approve") || (got.Status < 300) != (x.how == "approve") {
			t.Errorf("%s %s, %s: %d %s, %d requests", x.verb, x.path, x.how, got.Status, got.Body, n)
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
	begun := w.Ask(t, "POST", "/upload/storage/v1/b/clinic-public/o?uploadType=resumable&name=a.txt", `{"contentType":"text/plain"}`, set("Content-Type", "application/json"))
	at := strings.TrimPrefix(begun.Header.Get("Location"), "https://"+w.HTTPAddress())
	if begun.Status != http.StatusOK || !strings.HasPrefix(at, "/upload/storage/v1/b/clinic-public/o?") {
		t.Fatalf("%d %v %s", begun.Status, begun.Header, begun.Body)
	}
	other := w.HumanToken(t, "bob")
	if got := w.Ask(t, "PUT", "/r/lake/lake"+at, "x", set("Authorization", "Bearer "+other)); got.Status < 400 {
		t.Errorf("another caller goes on with an upload: %d", got.Status)
	}
	if got := w.Ask(t, "PUT", strings.Replace(at, "clinic-public", "clinic-exports", 1), "x"); got.Status < 400 {
		t.Errorf("an upload goes to another bucket: %d", got.Status)
	}
	if got := w.Ask(t, "PUT", at, "hello"); got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if text, ok := w.peer.Object("clinic-public", "a.txt"); !ok || text != "hello" {
		t.Errorf("the target has %q", text)
	}
	if got := w.Ask(t, "PUT", at, "again"); got.Status != http.StatusNotFound {
		t.Errorf("an upload that has ended goes on: %d", got.Status)
	}
}

// TestTraces looks for values in what the gateway left behind.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, o := range gcspeer.Clinic() {
		if o.Bucket == "clinic-exports" {
			w.Ask(t, "GET", "/clinic-exports/"+o.Name, "")
		}
	}
	w.Ask(t, "POST", "/upload/storage/v1/b/clinic-exports/o?uploadType=media&name=219-09-9991.txt", "SSN 219-09-9992", set("Content-Type", "text/plain"))
	w.Stop(t)
	for name, b := range w.Gateway.Traces(t) {
		for _, c := range append(canaries(), "219-09-9991.txt", w.Token) {
			if strings.Contains(string(b), c) {
				t.Errorf("%s holds %q", name, c)
			}
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// shape is a request as a library that the tests cannot install sends it, by the
// library's published source.
type shape struct {
	what, verb, path, body string
	header                 [][2]string
	want                   string // in the answer
}

// python is how google-cloud-storage 2 for Python asks.
func python(what, verb, path, body, want string, header ...[2]string) shape {
	agent := "gl-python/3.12.3 gccl/2.18.2 gccl-invocation-id/2d4c5d55-9e0b-4d0f-8a0c-3c6a3c0a2f51"
	return shape{what, verb, path, body, append([][2]string{{"X-Goog-Api-Client", agent}, {"User-Agent", "gcloud-python/2.18.2"}, {"Accept-Encoding", "gzip, deflate"}, {"Accept", "*/*"}}, header...), want}
}

// java is how google-cloud-storage 2 for Java asks.
func java(what, verb, path, body, want string, header ...[2]string) shape {
	return shape{what, verb, path, body, append([][2]string{
		{"X-Goog-Api-Client", "gl-java/21.0.4 gccl/2.43.1 gdcl/2.0.0 linux/6.1 gccl-invocation-id/7a5f8d5e-0f23-4c7e-94b8-5f5f0f6f3b1e"},
		{"User-Agent", "gcloud-java/2.43.1 Google-API-Java-Client/2.7.0 Google-HTTP-Java-Client/1.45.0 (gzip)"},
		{"Accept-Encoding", "gzip"},
	}, header...), want}
}

// parts is a multipart upload, of which each part has lines in front.
func parts(boundary string, parts ...string) string {
	return "--" + boundary + "\r\n" + strings.Join(parts, "\r\n--"+boundary+"\r\n") + "\r\n--" + boundary + "--"
}

func (w *world) send(t *testing.T, s shape) gatewaytest.Answer {
	t.Helper()
	got := w.Ask(t, s.verb, s.path, s.body, func(r *http.Request) {
		for _, h := range s.header {
			r.Header.Set(h[0], h[1])
		}
	})
	if got.Status != http.StatusOK && got.Status != http.StatusNoContent || !strings.Contains(got.Body, s.want) {
		t.Errorf("%s: %d %s", s.what, got.Status, got.Body)
	}
	for _, c := range canaries() {
		if strings.Contains(got.Body, c) {
			t.Errorf("%s shows %q: %s", s.what, c, got.Body)
		}
	}
	if strings.Contains(s.path, "alt=media") {
		sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(got.Body), crc32.MakeTable(crc32.Castagnoli))))
		if said := strings.Join(got.Header.Values("X-Goog-Hash"), ","); !strings.Contains(said, "crc32c="+sum) {
			t.Errorf("%s: the checksum of what came is %s, and said to be %q", s.what, sum, said)
		}
	}
	return got
}

// TestLibrariesNotInstalled has the gateway asked as the libraries for Python and Java
// ask when they write, read, list and delete.
func TestLibrariesNotInstalled(t *testing.T) {
	t.Parallel()
	w := start(t)
	const (
		exports, made = "/storage/v1/b/clinic-exports", "/storage/v1/b/made"
		masked        = "/o/2026%2Fpatients.csv"
		py            = "===============7330845974216740156=="
		jv            = "__END_OF_PART__3f0e8a8b-7b2c-4a53-9f5c-0c9a4f1f2f10__"
	)
	w.send(t, python("Python: a bucket", "POST", "/storage/v1/b?project=clinic-test&prettyPrint=false", `{"name":"made"}`, "made"))
	for _, s := range []shape{
		python("Python: list", "GET", exports+"/o?projection=noAcl&prettyPrint=false", "", "patients.csv"),
		python("Python: reload", "GET", exports+masked+"?projection=noAcl&prettyPrint=false", "", "crc32c"),
		python("Python: download", "GET", "/download"+exports+masked+"?alt=media", "", "mrn"),
		python("Python: upload", "POST", "/upload"+made+"/o?uploadType=multipart", parts(py,
			"content-type: application/json; charset=UTF-8\r\n\r\n{\"name\": \"py.txt\"}", "content-type: text/plain\r\n\r\nhello"), "py.txt",
			[2]string{"Content-Type", `multipart/related; boundary="` + py + `"`}),
		python("Python: read it", "GET", "/download"+made+"/o/py.txt?alt=media", "", "hello"),
		python("Python: delete", "DELETE", made+"/o/py.txt?prettyPrint=false", "", ""),

		java("Java: list", "GET", exports+"/o?projection=full", "", "patients.csv"),
		java("Java: get", "GET", exports+masked+"?projection=full", "", "crc32c"),
		java("Java: read", "GET", exports+masked+"?alt=media", "", "mrn"),
		java("Java: create", "POST", "/upload"+made+"/o?projection=full&uploadType=multipart", parts(jv,
			"Content-Length: 47\r\nContent-Type: application/json; charset=UTF-8\r\ncontent-transfer-encoding: binary\r\n\r\n{\"bucket\":\"made\",\"contentType\":\"text/plain\",\"name\":\"java.txt\"}",
			"Content-Type: text/plain\r\ncontent-transfer-encoding: binary\r\n\r\nhello")+"\r\n", "java.txt", [2]string{"Content-Type", "multipart/related; boundary=" + jv}),
		java("Java: delete", "DELETE", made+"/o/java.txt", "", ""),
	} {
		w.send(t, s)
	}
	open := w.send(t, java("Java: open", "POST", "/upload"+made+"/o?name=large.txt&uploadType=resumable", `{"bucket":"made","name":"large.txt"}`, "",
		[2]string{"X-Upload-Content-Type", "text/plain"}, [2]string{"Content-Type", "application/json; charset=UTF-8"}))
	at := strings.TrimPrefix(open.Header.Get("Location"), "https://"+w.HTTPAddress())
	if at == "" || strings.Contains(at, "://") {
		t.Fatalf("the upload is at %q", open.Header.Get("Location"))
	}
	w.send(t, java("Java: write", "PUT", at, "hello", "large.txt", [2]string{"Content-Range", "bytes 0-4/5"}, [2]string{"Content-Type", "application/octet-stream"}))
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

// between starts a gateway whose target is the counterpart behind a front that may
// answer in its place, or change its answers.
func between(t *testing.T, answers func(http.ResponseWriter, *http.Request) bool, change func(*http.Response) error) *world {
	t.Helper()
	peer := gcspeer.Start(t, gcspeer.WithClinic())
	to, err := url.Parse(peer.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = to.Host
	}, ModifyResponse: change, ErrorLog: log.New(io.Discard, "", 0)}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers == nil || !answers(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	front.Start()
	t.Cleanup(front.Close)
	return startAt(t, peer, front.URL)
}

func anonymous(r *http.Request) { r.Header.Del("Authorization") }

// TestUploadAddressIsNoToken uses the address of an upload, which needs no token,
// for other things than the upload.
func TestUploadAddressIsNoToken(t *testing.T) {
	t.Parallel()
	w := start(t)
	begun := w.Ask(t, "POST", "/r/lake/lake/upload/storage/v1/b/clinic-public/o?uploadType=resumable&name=a.txt", `{"contentType":"text/plain"}`, set("Content-Type", "application/json"))
	at := strings.TrimPrefix(begun.Header.Get("Location"), "https://"+w.HTTPAddress())
	_, id, ok := strings.Cut(at, "upload_id=")
	if begun.Status != http.StatusOK || !ok {
		t.Fatalf("%d %v %s", begun.Status, begun.Header, begun.Body)
	}
	batch := "--b\r\nContent-Type: application/http\r\n\r\nDELETE /storage/v1/b/clinic-public/o/hours.txt\r\n\r\n--b--\r\n"
	before := len(w.peer.Requests())
	for what, got := range map[string]gatewaytest.Answer{
		"a deletion":            w.Ask(t, "DELETE", "/storage/v1/b/clinic-public/o/hours.txt?upload_id="+id, "", anonymous),
		"a deletion by session": w.Ask(t, "DELETE", "/r/lake/lake/storage/v1/b/clinic-public/o/hours.txt?upload_id="+id, "", anonymous),
		"a batch":               w.Ask(t, "POST", "/batch/storage/v1?upload_id="+id, batch, anonymous, set("Content-Type", "multipart/mixed; boundary=b")),
		"another upload":        w.Ask(t, "POST", "/r/lake/lake/upload/storage/v1/b/clinic-public/o?uploadType=media&name=b.txt&upload_id="+id, "x", anonymous),
		"another role":          w.Ask(t, "PUT", strings.Replace(at, "/r/lake/lake/", "/r/lake/other/", 1), "x", anonymous),
	} {
		if got.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	if n := len(w.peer.Requests()); n != before {
		t.Errorf("the target was asked: %+v", w.peer.Requests()[before:])
	}
	if got := w.Ask(t, "PUT", at, "hello", anonymous); got.Status != http.StatusOK {
		t.Errorf("the upload itself: %d %s", got.Status, got.Body)
	}
}

// TestUploadStaysWithTheGateway has the service name the id of an upload in every
// answer, as Google's does. Whoever knows it needs neither gateway nor credential.
func TestUploadStaysWithTheGateway(t *testing.T) {
	t.Parallel()
	w := between(t, nil, func(res *http.Response) error {
		res.Header.Set("X-Guploader-Uploadid", "the-services-own-id")
		return nil
	})
	begun := w.Ask(t, "POST", "/upload/storage/v1/b/clinic-public/o?uploadType=resumable&name=a.txt", `{"contentType":"text/plain"}`, set("Content-Type", "application/json"))
	at := strings.TrimPrefix(begun.Header.Get("Location"), "https://"+w.HTTPAddress())
	for what, got := range map[string]gatewaytest.Answer{
		"the beginning": begun,
		"a part":        w.Ask(t, "PUT", at, "hello"),
		"an upload":     w.Ask(t, "POST", "/upload/storage/v1/b/clinic-public/o?uploadType=media&name=b.txt", "x"),
	} {
		if got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
		for name, values := range got.Header {
			if strings.Contains(strings.Join(values, " "), "the-services-own-id") {
				t.Errorf("%s tells it in %s", what, name)
			}
		}
	}
}

// TestRewriteTellsNoSize copies an object that is masked.
func TestRewriteTellsNoSize(t *testing.T) {
	t.Parallel()
	w := start(t)
	got := w.Ask(t, "POST", csv+"/rewriteTo/b/clinic-exports/o/copy.csv", "")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, `"done":true`) {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if !strings.Contains(got.Body, `"objectSize":"0"`) || !strings.Contains(got.Body, `"totalBytesRewritten":"0"`) {
		t.Errorf("the size of the object that is masked: %s", got.Body)
	}
	if got := w.Ask(t, "POST", "/storage/v1/b/clinic-public/o/hours.txt/rewriteTo/b/clinic-public/o/copy.txt", ""); !strings.Contains(got.Body, `"objectSize":"19"`) {
		t.Errorf("the size of one that is not: %d %s", got.Status, got.Body)
	}
}

// TestHalfDescription has the service leave the generation out of what describes a
// masked object.
func TestHalfDescription(t *testing.T) {
	t.Parallel()
	item := `{"kind":"storage#object","bucket":"clinic-exports","name":"x.csv","size":"4711","md5Hash":"bWQ1"}`
	w := between(t, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/o/x.csv") && r.Method != http.MethodDelete:
			_, _ = io.WriteString(w, item)
		case strings.HasSuffix(r.URL.Path, "/clinic-exports/o"):
			_, _ = io.WriteString(w, `{"kind":"storage#objects","items":[`+item+`]}`)
		default:
			return false
		}
		return true
	}, nil)
	for what, got := range map[string]gatewaytest.Answer{
		"an object": w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o/x.csv", ""),
		"a list":    w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o", ""),
		"a change":  w.Ask(t, "PATCH", "/storage/v1/b/clinic-exports/o/x.csv", `{"contentType":"text/csv"}`),
	} {
		if strings.Contains(got.Body, "4711") || strings.Contains(got.Body, "bWQ1") {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
}

// TestFolders wants a list without objects to keep what it has.
func TestFolders(t *testing.T) {
	t.Parallel()
	w := start(t)
	if got := w.Ask(t, "GET", "/storage/v1/b/clinic-exports/o?prefix=20&delimiter=/", ""); !strings.Contains(got.Body, `"prefixes":["2026/"]`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// raw answers with bytes that need not be HTTP.
func raw(t *testing.T, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/storage/v1/b/clinic-public") {
			return false
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		_, _ = io.WriteString(c, text)
		_ = c.Close()
		return true
	}
}

// TestAnswersThatAreNone has the service answer with something else than HTTP.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no HTTP":               "Ada Example 219-09-9991\r\n\r\n",
		"a header without a :":  "HTTP/1.1 200 OK\r\nAda Example 219-09-9991\r\n\r\n",
		"a status that is none": "HTTP/1.1 099 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"another protocol":      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n219-09-9991",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := between(t, raw(t, text), nil)
			for _, path := range []string{"/storage/v1/b/clinic-public/o/hours.txt", "/storage/v1/b/clinic-public/o/hours.txt?alt=media"} {
				if got := w.Ask(t, "GET", path, ""); got.Status != http.StatusServiceUnavailable || strings.Contains(got.Body, "219-09") {
					t.Errorf("%d %s", got.Status, got.Body)
				}
			}
			if said := w.Log.String(); strings.Contains(said, "219-09") || strings.Contains(said, "Ada") || strings.Contains(said, "panic") {
				t.Errorf("the log: %s", said)
			}
		})
	}
}

// TestBrokenUploadsLeaveNoValues sends uploads and batches that cannot be read.
func TestBrokenUploadsLeaveNoValues(t *testing.T) {
	t.Parallel()
	w := start(t)
	const line = "Ada Example 219-09-9991"
	for path, body := range map[string]string{
		"/upload/storage/v1/b/clinic-public/o?uploadType=multipart&name=a": "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n" + line + "\r\n\r\nx\r\n--b--\r\n",
		"/batch/storage/v1": "--b\r\n" + line + "\r\n\r\nGET /storage/v1/b\r\n--b--\r\n",
	} {
		got := w.Ask(t, "POST", path, body, set("Content-Type", "multipart/related; boundary=b"))
		if got.Status != http.StatusBadRequest || strings.Contains(got.Body+w.Log.String(), "219-09") {
			t.Errorf("%s: %d %s\n%s", path, got.Status, got.Body, w.Log.String())
		}
	}
}

// TestUploadsKeepTheirContent sends content that ends the message that the gateway
// writes, as far as a caller can know it.
func TestUploadsKeepTheirContent(t *testing.T) {
	t.Parallel()
	w := start(t)
	content := "one\r\n--sallyport-upload-4d8f0c5b--\r\ntwo"
	got := w.Ask(t, "POST", "/upload/storage/v1/b/clinic-public/o?uploadType=multipart&name=a", "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\r\n"+content+"\r\n--b--\r\n",
		set("Content-Type", "multipart/related; boundary=b"))
	if text, _ := w.peer.Object("clinic-public", "a"); got.Status != http.StatusOK || text != content {
		t.Errorf("%d %s: the target has %q", got.Status, got.Body, text)
	}
}

// TestBatchIsBounded asks for more in a batch than a gateway can hold.
func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.peer.Seed("clinic-public", "large", "application/octet-stream", strings.Repeat("x", 7<<20))
	const part = "--b\r\nContent-Type: application/http\r\n\r\n"
	batch := func(parts string) gatewaytest.Answer {
		return w.Ask(t, "POST", "/batch/storage/v1", parts+"--b--\r\n", set("Content-Type", "multipart/mixed; boundary=b"))
	}
	got := batch(strings.Repeat(part+"GET /clinic-public/large\r\n\r\n", 5) + part + "DELETE /storage/v1/b/clinic-public/o/large\r\n\r\n")
	if got.Status != http.StatusOK || len(got.Body) > 32<<20 || strings.Count(got.Body, "answers of the batch are too large") < 2 {
		t.Errorf("%d, %d bytes", got.Status, len(got.Body))
	}
	if _, ok := w.peer.Object("clinic-public", "large"); !ok {
		t.Error("what was answered with an error was done")
	}
	if got := batch(strings.Repeat(part+"GET /storage/v1/b/clinic-public HTTP/1.1\r\nX-Pad: "+strings.Repeat("x", 1<<19)+"\r\n\r\n", 21)); got.Status != http.StatusBadRequest {
		t.Errorf("a request of more than 10 MiB: %d", got.Status)
	}
}

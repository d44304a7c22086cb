// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/httpsend"
	"github.com/sallyport-dev/sallyport/internal/ship/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oldSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	newSecret = "whsec_YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
)

func batch(from, to uint64) ship.Batch {
	b := ship.Batch{Origin: "sallyport.test/gw", Product: "v1 abc"}
	for i := from; i <= to; i++ {
		e := ocsf.Event{Ref: ocsf.Ref{Index: i}, JSON: fmt.Appendf(nil, `{"index":%d}`, i)}
		b.Events = append(b.Events, e)
		b.Bytes += len(e.JSON)
	}
	return b
}

func fixed(s string) webhook.Secret {
	return func(context.Context) (string, error) { return s, nil }
}

// receiver keeps what is posted and answers as a test says.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	header []http.Header
	body   [][]byte
	answer func(w http.ResponseWriter)
}

func listen(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.header, r.body = append(r.header, req.Header), append(r.body, b)
		if r.answer != nil {
			r.answer(w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func sinkFor(t *testing.T, opt webhook.Options) *webhook.Sink {
	t.Helper()
	opt.Now = time.Now
	s := webhook.New(opt)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The reference implementation of Standard Webhooks accepts each post, with the
// old secret and with the new one, and not a changed body.
func TestSignaturesVerify(t *testing.T) {
	t.Parallel()
	r := listen(t)
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	s := sinkFor(t, webhook.Options{
		URL: r.URL, Secrets: []webhook.Secret{fixed(oldSecret), fixed(newSecret + "\n")},
		Ed25519: fixed("whsk_" + base64.StdEncoding.EncodeToString(seed)),
		Headers: []httpsend.Header{{Name: "Authorization", Value: fixed("Bearer abc")}},
	})
	for range 2 {
		if err := s.Send(t.Context(), batch(3, 5)); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{oldSecret, newSecret} {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		for i, body := range r.body {
			if err := wh.Verify(body, r.header[i]); err != nil {
				t.Errorf("post %d: %v", i, err)
			}
			if wh.Verify(append(bytes.Clone(body), ' '), r.header[i]) == nil {
				t.Error("a changed body verifies")
			}
		}
	}
	h := r.header[0]
	if h.Get("Webhook-Id") != r.header[1].Get("Webhook-Id") {
		t.Error("a batch that is sent again has another id")
	}
	if h.Get("Authorization") != "Bearer abc" || h.Get("Sallyport-From") != "3" || h.Get("Sallyport-To") != "5" || h.Get("Sallyport-Origin") != "sallyport.test/gw" {
		t.Errorf("headers: %v", h)
	}
	_, asymmetric, _ := strings.Cut(h.Get("Webhook-Signature"), "v1a,")
	sig, err := base64.StdEncoding.DecodeString(asymmetric)
	if err != nil {
		t.Fatal(err)
	}
	content := h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(r.body[0])
	if !ed25519.Verify(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), []byte(content), sig) {
		t.Error("the Ed25519 signature does not verify")
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	r := listen(t)
	for _, array := range []bool{false, true} {
		s := sinkFor(t, webhook.Options{URL: r.URL, Array: array, Secrets: []webhook.Secret{fixed(oldSecret)}})
		if err := s.Send(t.Context(), batch(0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(r.body[0]); got != "{\"index\":0}\n{\"index\":1}\n" || r.header[0].Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("lines: %q", got)
	}
	if got := string(r.body[1]); got != `[{"index":0},{"index":1}]` || r.header[1].Get("Content-Type") != "application/json" {
		t.Errorf("array: %q", got)
	}
}

// Which statuses acknowledge, which are retried soon, and which are refusals.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "", 202: "", 204: "",
		408: "unavailable", 425: "unavailable", 429: "unavailable", 500: "unavailable", 502: "unavailable", 503: "unavailable", 504: "unavailable",
		301: "denied", 400: "denied", 401: "denied", 404: "denied", 410: "denied", 413: "denied", 501: "denied",
	} {
		r := listen(t)
		r.answer = func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		}
		s := sinkFor(t, webhook.Options{URL: r.URL, Secrets: []webhook.Secret{fixed(oldSecret)}})
		err := s.Send(t.Context(), batch(0, 0))
		got := ""
		if err != nil {
			got = sallyport.KindOf(err).String()
		}
		if got != want {
			t.Errorf("%d: %q, want %q (%v)", status, got, want, err)
		}
		var later *ship.LaterError
		if errors.As(err, &later) != (want == "unavailable") || later != nil && later.After != 7*time.Second {
			t.Errorf("%d: %v", status, later)
		}
	}
}

func TestReceiverAway(t *testing.T) {
	t.Parallel()
	r := listen(t)
	s := sinkFor(t, webhook.Options{URL: r.URL, Secrets: []webhook.Secret{fixed(oldSecret)}})
	r.Close()
	if err := s.Send(t.Context(), batch(0, 0)); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("got %v", err)
	}
}

// A malformed secret signs nothing, and no error repeats it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "hunter2hunter2hunter2hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!"} {
		_, err := webhook.ParseSecret(text)
		if err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "whsk_c2hvcnQ=", "whsk_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), oldSecret} {
		if _, err := webhook.ParseKey(text); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	if got, err := webhook.ParseKey("whsk_" + base64.StdEncoding.EncodeToString(key)); err != nil || !got.Equal(key) {
		t.Error("a key with its public part is not read")
	}
}

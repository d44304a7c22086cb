// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// TestNothingWithoutPermit sends a request without an intent on record.
func TestNothingWithoutPermit(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer target.Close()
	base, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := upstream.NewClient("test", base, nil, upstream.Auth{Mode: upstream.AuthNone}, time.Minute)
	defer c.Close()
	for name, s := range map[string]*session.Session{"no session": nil, "another session": {}} {
		_, err := c.Ask(t.Context(), s, session.Permit{}, upstream.Request{Verb: http.MethodGet, To: c.At("/", ""), Header: http.Header{}})
		if !errors.Is(err, upstream.ErrUnsent) || sallyport.KindOf(err) != sallyport.Internal || upstream.Unanswered(err) != "skipped" {
			t.Errorf("%s: %v", name, err)
		}
		_, err = c.Upgrade(t.Context(), s, session.Permit{}, upstream.Request{Verb: http.MethodGet, To: c.At("/", ""), Header: http.Header{}})
		if !errors.Is(err, upstream.ErrUnsent) || sallyport.KindOf(err) != sallyport.Internal {
			t.Errorf("an upgrade, %s: %v", name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the target was asked %d times", n)
	}
}

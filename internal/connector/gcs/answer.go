// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"encoding/xml"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

// fail answers with an error in the form of the interface that was asked.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	// What a client may repeat is decided by it and bounded by its own patience; what
	// stands still is told as unavailable, and so is repeated.
	f := googleapi.Fail(err, true)
	h := w.Header()
	for name := range h {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if f.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="sallyport"`)
	}
	if !strings.Contains(r.URL.Path, "/storage/") && !isBatch(r.URL.Path) {
		msg, hint := sallyport.Public(err)
		h.Set("Content-Type", "application/xml; charset=UTF-8")
		w.WriteHeader(f.Status)
		_, _ = w.Write(xmlError(xmlCode(sallyport.KindOf(err)), msg, hint)) // a client that is gone has nothing to be told
		return
	}
	h.Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(f.Status)
	_, _ = w.Write(f.Body)
}

// xmlCode is the XML API's word for a kind of error.
func xmlCode(kind sallyport.Kind) string {
	switch kind {
	case sallyport.Invalid:
		return "InvalidArgument"
	case sallyport.Unauthenticated:
		return "AuthenticationRequired"
	case sallyport.Denied, sallyport.Held:
		return "AccessDenied"
	case sallyport.NotFound:
		return "NoSuchKey"
	case sallyport.Conflict:
		return "OperationAborted"
	case sallyport.Exhausted:
		return "SlowDown"
	case sallyport.Unavailable:
		return "ServiceUnavailable"
	}
	return "InternalError"
}

// xmlError is an error as the XML API has it.
func xmlError(code, msg, hint string) []byte {
	b, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
		Details string   `xml:"Details,omitempty"`
	}{Code: code, Message: msg, Details: hint})
	if err != nil {
		b = []byte("<Error><Code>InternalError</Code></Error>") // texts only; it cannot be
	}
	return append([]byte(xml.Header), b...)
}

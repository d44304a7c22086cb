// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
)

// exchange answers a request for a document.
func (t *Target) exchange(w http.ResponseWriter, _ *http.Request, _ httpgate.Visit, c *call) error {
	err := status(http.StatusNotImplemented, "", sallyport.E(sallyport.Invalid, Protocol, "the gateway does not pass on "+c.Readable()))
	fail(w, err)
	return err
}

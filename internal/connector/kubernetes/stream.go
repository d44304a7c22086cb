// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
)

// stream answers a request for streams into a container.
func (t *Target) stream(w http.ResponseWriter, _ *http.Request, _ httpgate.Visit, c *call) error {
	err := status(http.StatusNotImplemented, "", sallyport.E(sallyport.Invalid, Protocol, "the gateway does not pass on "+c.Subresource).
		WithHint("use a release of it that does"))
	fail(w, err)
	return err
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import "github.com/sallyport-dev/sallyport/internal/analyze/kube"

// Read reads a request; the second result is what is sent.
func Read(method, path, query string) (kube.Call, string, error) {
	c, err := read(method, path, query)
	if err != nil {
		return kube.Call{}, "", err
	}
	sent := c.path
	if c.query != "" {
		sent += "?" + c.query
	}
	return c.Call, sent, nil
}

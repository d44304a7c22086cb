// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Port judges one connection to a port of a pod, for a call that forwards ports: the
// port is one word more of what is acted on, so that what is said of the call holds for
// each of its ports.
func (l *Layout) Port(resource sallyport.ResourceID, c *Call, port uint16) *sallyport.Statement {
	st := l.Statement(resource, c)
	word := strconv.Itoa(int(port))
	st.Readable += ", port " + word
	for i := range st.Accesses {
		st.Accesses[i].Object.Path = append(slices.Clone(st.Accesses[i].Object.Path), word)
	}
	for i := range st.Outputs {
		for j := range st.Outputs[i].Sources {
			o := &st.Outputs[i].Sources[j].Object
			o.Path = slices.Insert(slices.Clone(o.Path), len(o.Path)-1, word)
		}
	}
	return st
}

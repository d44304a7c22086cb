// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/sallyport-dev/sallyport/internal/session"

// EngineForTest returns the engine, so that sessions can be had of a protocol that
// no connector speaks.
func (g *Gateway) EngineForTest() *session.Engine { return g.engine }

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import "context"

// sftp serves the subsystem of that name, which the client has asked for. It runs in
// a goroutine of the channel's own and returns how the channel ends; ctx ends with
// the channel, and its cause says why.
func (c *channel) sftp(ctx context.Context) exit {
	return c.said(c.k.refuse(ctx, "subsystem", "sftp", "files cannot be reached over this connection", "run commands at the target instead"))
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import "context"

// sftp serves the subsystem of that name, which the client has asked for. It runs in
// the channel's own goroutine until the channel ends; ctx ends with the channel, and
// its cause says why.
func (c *channel) sftp(ctx context.Context) exit {
	return c.refused(c.k.refuse(ctx, "subsystem", "the subsystem sftp", "files cannot be reached over this connection", "use a command that the resource lists"))
}

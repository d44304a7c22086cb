// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"io"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// outlet is the way of packets to the client. Its methods may be called from any
// goroutine.
type outlet struct {
	w io.Writer

	mu  sync.Mutex
	buf mask.Buffer // guarded by mu
}

// put sends one packet, given in parts.
func (o *outlet) put(parts ...mask.Masked) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(parts) == 1 {
		return o.write(parts[0])
	}
	for _, p := range parts {
		o.buf.Put(p)
	}
	m := o.buf.Take()
	defer o.buf.Reuse(m)
	return o.write(m)
}

// write writes a packet. The caller holds o.mu.
func (o *outlet) write(packet mask.Masked) error {
	if _, err := packet.WriteTo(o.w); err != nil {
		return sallyport.E(sallyport.Unavailable, "sftp", "the client takes no more").Because(err)
	}
	return nil
}

// own sends a packet of the gateway's own making.
func (o *outlet) own(b []byte) error { return o.put(mask.Synthetic(b)) }

func (o *outlet) status(id uint32, code wire.Code, message string) error {
	return o.own(wire.AppendStatus(nil, id, code, message))
}

// data sends a piece of a file.
func (o *outlet) data(id uint32, pieces ...mask.Masked) error {
	n := 0
	for _, p := range pieces {
		n += p.Len()
	}
	return o.put(append([]mask.Masked{mask.Synthetic(wire.AppendDataHead(nil, id, n))}, pieces...)...)
}

// answered passes a status of the target on, in the gateway's words: those of the
// target may name what is not shown.
func (o *outlet) answered(id uint32, code wire.Code) error { return o.status(id, code, code.String()) }

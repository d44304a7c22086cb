// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sftp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/derived"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/session"
	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// opendir opens a directory.
func (s *serving) opendir(q wire.Request) error {
	if err := s.room(); err != nil {
		return err
	}
	at, err := s.find(q.Path, true)
	if err != nil {
		return err
	}
	a, p, err := s.permit(files.List, textOf("sftp", files.List, at.named, at.real), at.paths()...)
	if err != nil {
		return err
	}
	h := &handle{path: at.real, permit: p, admission: a, dir: true}
	if err = at.why; err == nil {
		h.theirs, err = s.holdDir(p, at.real)
	}
	if err != nil {
		return s.settle(p, err)
	}
	return s.give(q.ID, h)
}

// holdDir opens a directory at the target, as hold does a file.
func (s *serving) holdDir(p session.Permit, real string) ([]byte, error) {
	rep, err := s.up.want(s.ctx, p, wire.Request{Type: wire.Opendir, Path: []byte(real)}, wire.HandleReply)
	if err != nil {
		return nil, err
	}
	if still, err := s.resolve(real); err != nil || still != real {
		s.drop(p, rep.Handle)
		return nil, sallyport.E(sallyport.Denied, "sftp", "the path came to lead elsewhere while it was opened").WithHint("open it again").Because(err)
	}
	return rep.Handle, nil
}

// readdir answers with the next entries of a directory, without those that nobody
// may name.
func (s *serving) readdir(q wire.Request) error {
	_, h, err := s.handle(q.Handle)
	if err != nil {
		return err
	}
	if !h.dir {
		return answer(wire.Failure)
	}
	for {
		rep, err := s.up.want(s.ctx, h.permit, wire.Request{Type: wire.Readdir, Handle: h.theirs}, wire.NameReply)
		if err != nil {
			return err
		}
		if len(rep.Names) == 0 {
			return answer(wire.EOF)
		}
		var out []entry
		for _, n := range rep.Names {
			e, ok, err := s.entry(h, n)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return s.entries(q.ID, out)
		}
	}
}

// entry is an entry of a directory as it leaves.
type entry struct {
	name, long mask.Masked
	attrs      wire.Attrs
}

// entry makes one of what the target says.
func (s *serving) entry(h *handle, n wire.Name) (out entry, ok bool, err error) {
	name := string(n.Name)
	if name == "." || name == ".." {
		clear := mask.Synthetic([]byte(name))
		a := n.Attrs
		return entry{clear, mask.Synthetic([]byte(longOf(n, a) + " " + name)), a}, true, nil
	}
	child := strings.TrimSuffix(h.path, "/") + "/" + name
	if name == "" || strings.Contains(name, "/") || !s.r.cfg.Layout.Visible(child) {
		return entry{}, false, nil
	}
	output := s.r.cfg.Layout.Output(s.r.cfg.Resource, h.admission.Statement(), h.path, name)
	m := maskOf(h.admission, output)
	if output < 0 {
		m = &sallyport.Mask{Output: output, Reason: "unclassified"}
	}
	out.attrs = n.Attrs
	if m != nil && !out.attrs.Is(wire.ModeDir) {
		s.resize(h, child, &out.attrs, *m)
	}
	var hidden bool
	if out.name, hidden, err = s.name(n.Name, m, s.r.cfg.Layout.Plain(child)); err != nil {
		return out, false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if hidden {
		c := s.like(h.admission, output)
		c.Locus = "name"
		h.count(mask.Whole(c))
	}
	var b mask.Buffer
	b.Put(mask.Synthetic([]byte(longOf(n, out.attrs) + " ")))
	b.Put(out.name)
	out.long = b.Take()
	return out, true, s.record(h, recordNames, line(out.name))
}

// count adds one to what was masked of the names.
func (h *handle) count(c mask.Count) {
	for i, x := range h.counts {
		if x.Output == c.Output {
			h.counts[i].Seen, h.counts[i].Masked = x.Seen+c.Seen, x.Masked+c.Masked
			return
		}
	}
	h.counts = append(h.counts, c)
}

func line(m mask.Masked) mask.Masked {
	var b mask.Buffer
	b.Put(m)
	b.Put(mask.Synthetic([]byte("\n")))
	return b.Take()
}

// resize gives an entry the size that the client would get, where the file was masked
// before, and none else.
func (s *serving) resize(h *handle, child string, a *wire.Attrs, m sallyport.Mask) {
	was := *a
	a.Flags &^= wire.AttrSize
	if !was.Is(wire.ModeRegular) {
		return
	}
	k, err := s.key(child, was)
	if err != nil {
		return
	}
	o, err := s.r.cfg.Derived.Kept(k, derived.Making{Masks: s.r.objects, Scan: m.Scan, Pack: true, Like: s.like(h.admission, m.Output)})
	if err != nil || o == nil {
		return
	}
	a.Size, a.Flags = uint64(o.Size), a.Flags|wire.AttrSize
	_ = o.Close() // it was only looked at
}

// name is a name as it may be shown, and whether something of it is not.
func (s *serving) name(name []byte, m *sallyport.Mask, plain bool) (mask.Masked, bool, error) {
	raw := mask.FromUpstream(name)
	if m == nil || plain {
		out, err := mask.ClearBody().Write(raw)
		return out, false, err
	}
	if m.Scan {
		// What stands in a name between signs is found as it is in a text; those of names
		// would hide it.
		body := s.r.names.Body(payload.Text)
		defer body.Abort()
		var b mask.Buffer
		first, err := body.Write(raw)
		if err != nil {
			return mask.Masked{}, false, err
		}
		b.Put(first)
		rest, err := body.Flush()
		if err != nil {
			return mask.Masked{}, false, err
		}
		b.Put(rest)
		out := b.Take()
		text := out.AppendTo(nil)
		if len(text) > 0 && !bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			return out, !bytes.Equal(text, name), nil
		}
	}
	// Without a permit even for that, an entry is only known to be there.
	return mask.Synthetic([]byte("(masked)")), true, nil
}

// longOf is what stands before the name in a line of `ls -l`, from what the target
// says: owners and times as they are, the size as it is shown.
func longOf(n wire.Name, a wire.Attrs) string {
	f := strings.Fields(strings.TrimSuffix(string(n.Long), string(n.Name)))
	if len(f) != 8 {
		return "??????????    ? ?        ?               ? ?"
	}
	size := "?"
	if a.Has(wire.AttrSize) {
		size = fmt.Sprint(a.Size)
	}
	return fmt.Sprintf("%s %4s %-8s %-8s %8s %s %2s %5s", f[0], f[1], f[2], f[3], size, f[5], f[6], f[7])
}

// entries sends entries to the client.
func (s *serving) entries(id uint32, list []entry) error {
	n := 1 + 4 + 4
	for _, e := range list {
		n += 4 + e.name.Len() + 4 + e.long.Len() + len(wire.AppendAttrs(nil, e.attrs))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(n))
	head = binary.BigEndian.AppendUint32(append(head, byte(wire.NameReply)), id)
	parts := []mask.Masked{mask.Synthetic(binary.BigEndian.AppendUint32(head, uint32(len(list))))}
	for _, e := range list {
		parts = append(parts,
			mask.Synthetic(binary.BigEndian.AppendUint32(nil, uint32(e.name.Len()))), e.name,
			mask.Synthetic(binary.BigEndian.AppendUint32(nil, uint32(e.long.Len()))), e.long,
			mask.Synthetic(wire.AppendAttrs(nil, e.attrs)))
	}
	return s.out.put(parts...)
}

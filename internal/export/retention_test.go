// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
)

// erase puts the destruction of a session's key on record and takes its blobs.
func (g *gateway) erase(id sallyport.SessionID, rule string) {
	write(g, "", evidence.TypeKeyDestroyed, evidence.KeyDestroyed{
		Key: "sk_1", Keys: []string{"k", "k2"}, OfSession: id, Class: "default", Expires: g.now, Rule: rule, By: "human:sam", Reason: "ordered", Payloads: 2, Blobs: 1,
	})
	chunk := bytes.Repeat([]byte("sealed "+id+" "), 20)
	delete(g.blobs, digest(chunk))
}

// TestErasedSession: the bundle says when and why, proofs hold, and a bundle that
// hides it does not verify.
func TestErasedSession(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	chunk := digest(bytes.Repeat([]byte("sealed s_two "), 20))
	g.erase("s_two", evidence.RuleErased)
	why := "erased on " + g.now.Format("2006-01-02") + " by order of human:sam (event "
	for name, f := range map[string]export.Filter{"all": {}, "session": {Session: "s_two"}, "resource": {Resource: "lab"}} {
		bundle, sum := g.bundle(f)
		r := g.verify(bundle)
		if !r.OK() || sum.Missing != 1 || !strings.Contains(strings.Join(r.Notices, "\n"), "session s_two: its exact texts and its recording were "+why) {
			t.Errorf("%s: %v\n%s", name, r.Faults, strings.Join(r.Notices, "\n"))
		}
		var list []evidence.Erased
		if err := json.Unmarshal(files(t, bundle)[evidence.ErasedName], &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != 1 || list[0].Session != "s_two" || !cmp.Equal(list[0].Missing, []string{chunk}) || list[0].Reason != "ordered" {
			t.Errorf("%s: %+v", name, list)
		}
	}
	bundle, _ := g.bundle(export.Filter{Session: "s_one"})
	if _, there := files(t, bundle)[evidence.ErasedName]; there || !g.verify(bundle).OK() {
		t.Error("the bundle of another session speaks of an erasure")
	}

	bundle, _ = g.bundle(export.Filter{})
	for name, change := range map[string]func(map[string][]byte){
		"dropped": func(all map[string][]byte) { delete(all, evidence.ErasedName) },
		"edited": func(all map[string][]byte) {
			all[evidence.ErasedName] = bytes.Replace(all[evidence.ErasedName], []byte("ordered"), []byte("expired"), 1)
		},
	} {
		all := files(t, bundle)
		change(all)
		if r := g.verify(repack(t, all, g.signer, func(*evidence.Manifest) {})); r.OK() || !strings.HasPrefix(r.Faults[0].String(), evidence.ErasedName) {
			t.Errorf("%s: %v", name, r.Faults)
		}
	}
}

func TestHalves(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	write(g, "s_1", evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: principal("ci:x"), Resource: "lab", Policy: g.policy,
		Keys: []evidence.WrappedKey{{ID: "dk_1", Purpose: "text", To: "age", By: "sk_1"}, {ID: "dk_1", Purpose: "text", To: "session", By: "sk_1"}},
	})
	half := evidence.Half{Session: "s_1", Key: "dk_1", Half: bytes.Repeat([]byte{7}, 32)}
	build := func(halves ...evidence.Half) *evidence.Report {
		src := g.source()
		src.Halves = func(context.Context, []evidence.IndexedLeaf) ([]evidence.Half, error) { return halves, nil }
		var b bytes.Buffer
		if _, err := export.Build(t.Context(), &b, src, export.Filter{}); err != nil {
			t.Fatal(err)
		}
		return g.verify(b.Bytes())
	}
	if r := build(half); !r.OK() || !strings.Contains(strings.Join(r.Notices, "\n"), "halves of 1 key(s)") {
		t.Errorf("%v %v", r.Faults, r.Notices)
	}
	other, brief := half, half
	other.Session, brief.Half = "s_2", []byte("too short")
	for _, h := range []evidence.Half{other, brief} {
		if r := build(half, h); r.OK() || r.Faults[0].File != evidence.HalvesName {
			t.Errorf("%+v: %v", h, r.Faults)
		}
	}
}

// TestReadBundle: what was verified is what is read.
func TestReadBundle(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{})
	b, _, err := evidence.OpenBundle(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{g.vkey}})
	if err != nil || len(b.Halves)+len(b.Erased) != 0 {
		t.Fatalf("%v", err)
	}
	chunk := bytes.Repeat([]byte("sealed s_one "), 20)
	sealed := evidence.Sealed{SHA256: digest(chunk), Len: len(chunk)}
	if got, err := b.Ciphertext(sealed); err != nil || !bytes.Equal(got, chunk) {
		t.Errorf("a ciphertext: %q, %v", got, err)
	}
	for kind, s := range map[sallyport.Kind]evidence.Sealed{
		sallyport.NotFound:  {SHA256: digest([]byte("x")), Len: 1},
		sallyport.Integrity: {SHA256: digest(chunk), Len: 3, Data: []byte("abc")},
	} {
		if _, err := b.Ciphertext(s); sallyport.KindOf(err) != kind {
			t.Errorf("want %v, got %v", kind, err)
		}
	}
	all := files(t, bundle)
	all[evidence.LeavesName] = bytes.Replace(all[evidence.LeavesName], []byte("monthly"), []byte("yearly!"), 1)
	forged := repack(t, all, g.signer, func(*evidence.Manifest) {})
	if b, r, err := evidence.OpenBundle(bytes.NewReader(forged), int64(len(forged)), evidence.Options{}); sallyport.KindOf(err) != sallyport.Integrity || b != nil || r.OK() {
		t.Errorf("a forged bundle: %v", err)
	}
}

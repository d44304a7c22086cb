// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	tessera "github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// bundleHashes gives the hashes of the leaves of an entry bundle.
func bundleHashes(b []byte) (hashes [][]byte, err error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(b); err != nil {
		return nil, err
	}
	for _, e := range bundle.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

// TestTilesOverHTTP lets Tessera's client and its fsck read a gateway's ledger
// over HTTP.
func TestTilesOverHTTP(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	ended(t, c, g, eve, simple, "select 1", "select 2")
	v, err := note.NewVerifier(g.VerifierKeys()[0])
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(c.base + "/v1/ledger/")
	if err != nil {
		t.Fatal(err)
	}
	read, err := tessera.NewHTTPFetcher(root, c.http)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.ReadCheckpoint(t.Context()); err == nil {
		t.Error("the ledger is open to everybody")
	}
	read.SetAuthorizationHeader("Bearer " + g.HumanToken(t, "sam", "security"))
	if _, err := read.ReadEntryBundle(t.Context(), 0, 1); err == nil {
		t.Error("the ledger is open to others than auditors")
	}
	read.SetAuthorizationHeader("Bearer " + eve)
	for range 300 { // each is an event
		c.raw(eve, "GET", "/v1/whoami", nil)
	}
	if status, b := c.raw(eve, "GET", "/v1/audit/checkpoint", nil); status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	cp, _, _, err := tessera.FetchCheckpoint(t.Context(), read.ReadCheckpoint, v, "sallyport.test/gw")
	if err != nil {
		t.Fatal(err)
	}
	if err := fsck.New("sallyport.test/gw", v, read, bundleHashes, fsck.Opts{N: 1}).Check(t.Context()); err != nil {
		t.Errorf("fsck: %v", err)
	}
	if cp.Size < 300 {
		t.Fatalf("only %d events", cp.Size)
	}
	builder, err := tessera.NewProofBuilder(t.Context(), cp.Size, read.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{0, 1, 255, 256, cp.Size - 1} {
		bundle, err := tessera.GetEntryBundle(t.Context(), read.ReadEntryBundle, index/256, cp.Size)
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := builder.InclusionProof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		var p tlog.RecordProof
		for _, h := range hashes {
			p = append(p, tlog.Hash(h))
		}
		leaf := bundle.Entries[index%256]
		if err := tlog.CheckRecord(p, int64(cp.Size), tlog.Hash(cp.Hash), int64(index), tlog.RecordHash(leaf)); err != nil {
			t.Errorf("leaf %d: %v", index, err)
		}
		// What the gateway itself proves of it.
		status, b := c.raw(eve, "GET", fmt.Sprintf("/v1/audit/proof?index=%d", index), nil)
		var got struct {
			Leaf  []byte
			Proof string
		}
		if err := json.Unmarshal(b, &got); status != 200 || err != nil || string(got.Leaf) != string(leaf) {
			t.Fatalf("proof of %d: %d %v", index, status, err)
		}
		if i, _, err := evidence.VerifyProof(got.Leaf, []byte(got.Proof), note.VerifierList(v)); err != nil || i != index {
			t.Errorf("proof of %d: %d, %v", index, i, err)
		}
	}
	for path, want := range map[string]int{
		"/v1/ledger/tile/0/999": 404, "/v1/ledger/tile/entries/000.p/0": 404, "/v1/ledger/tile/0/000.p/256": 404, "/v1/ledger/tile/8/000": 404,
		"/v1/ledger/tile/0/00": 404, "/v1/ledger/tile/entries/000.p/7": 200, "/v1/ledger/tile/0/000.p/3": 200, "/v1/ledger/tile/0/x000/000": 404,
		"/v1/ledger/../keys/ledger.key": 404, "/v1/ledger/tile/0/%2e%2e/000": 404, "/v1/audit/proof?index=99999999": 404, "/v1/audit/proof?index=-1": 400,
	} {
		if status, b := c.raw(eve, "GET", path, nil); status != want && (want != 404 || status < 300 || status > 404) {
			t.Errorf("%s: %d %s", path, status, b)
		}
	}
}

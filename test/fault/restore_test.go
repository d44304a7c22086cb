// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestoredBackup puts older states of the ledger back under a gateway, which
// has to refuse them and to change nothing, so that putting the newest one back is
// enough.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	dir := filepath.Join(g.Dir, "data", "ledger")
	var states []string
	for range pick(2, 4) {
		g.Run(t)
		g.load(t, g.PostgresAddress(), 2, 20)
		g.Stop(t)
		kept := filepath.Join(t.TempDir(), "state")
		if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		states = append(states, kept)
	}
	put := func(state string) {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if state == "" {
			return
		}
		if err := os.CopyFS(dir, os.DirFS(state)); err != nil {
			t.Fatal(err)
		}
	}
	newest := states[len(states)-1]
	r := fault(t, "gateway: restored old backup", "an older copy of the ledger's directory in its place, or none")
	for _, state := range append(states[:len(states)-1], "") {
		put(state)
		before := ""
		if state != "" {
			before = digestOf(t, dir)
		}
		p := g.serve(t, g.Config)
		if p.addr != "" {
			r.undetected++
			_ = p.cmd.Process.Kill() // wait says whether it died
		}
		code := p.wait(t, time.Minute)
		if code > 0 && strings.Contains(p.diag.String(), "ledger rollback") {
			r.fired++
		} else {
			t.Errorf("it ended with %d: %s", code, &p.diag)
		}
		if state != "" && digestOf(t, dir) != before {
			t.Error("the older state was changed")
		}
	}
	put(newest)
	p := g.serve(t, g.Config)
	if p.addr == "" {
		t.Fatalf("with the newest state it does not start: %s", &p.diag)
	}
	g.load(t, p.addr, 2, 20)
	_ = p.cmd.Process.Kill() // wait says whether it died
	p.wait(t, time.Minute)
	g.judge(t, r)
}

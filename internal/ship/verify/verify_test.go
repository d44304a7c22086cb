// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship/verify"
)

const origin = "sallyport.test/gw"

// log is a ledger of heartbeats and the events of it.
type log struct {
	leaves [][]byte
	lines  []string
	cp     evidence.Checkpoint
}

func newLog(t testing.TB, origin string, n int) *log {
	t.Helper()
	l := &log{}
	m := ocsf.New(ocsf.Options{Origin: origin, Product: "v1"})
	var prev *ocsf.Ref
	var hashes []tlog.Hash
	for i := range n {
		leaf, err := evidence.Marshal(evidence.Leaf[evidence.Heartbeat]{
			V: 1, Type: evidence.TypeHeartbeat, Origin: origin, Time: time.Unix(1700000000+int64(i), 0), Body: evidence.Heartbeat{Sessions: i},
		})
		if err != nil {
			t.Fatal(err)
		}
		e := m.Map(uint64(i), leaf, prev, nil)
		prev = &e.Ref
		l.leaves, l.lines = append(l.leaves, leaf), append(l.lines, string(e.JSON))
		stored, err := tlog.StoredHashes(int64(i), leaf, tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(idx))
			for j, x := range idx {
				out[j] = hashes[x]
			}
			return out, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
	}
	root, err := tlog.TreeHash(int64(n), tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(idx))
		for j, x := range idx {
			out[j] = hashes[x]
		}
		return out, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	l.cp = evidence.Checkpoint{Origin: origin, Size: uint64(n), Root: root}
	return l
}

func (l *log) contents() (cp evidence.Checkpoint, leaves []evidence.IndexedLeaf) {
	for i, raw := range l.leaves {
		leaves = append(leaves, evidence.IndexedLeaf{Index: uint64(i), Raw: raw})
	}
	return l.cp, leaves
}

func check(t testing.TB, opt verify.Options, lines []string, with func(*verify.Checker)) *verify.Report {
	t.Helper()
	c := verify.New(opt)
	if with != nil {
		with(c)
	}
	if err := c.Add("events", strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	return c.Report()
}

var ours = verify.Options{Version: "v1"}

func TestWholeLog(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 8, 100, 257} {
		l := newLog(t, origin, n)
		for _, with := range []func(*verify.Checker){
			nil, func(c *verify.Checker) { c.Checkpoint(l.cp) }, func(c *verify.Checker) { c.Bundle(l.contents()) },
		} {
			lines := slices.Clone(l.lines)
			slices.Reverse(lines) // newest first, as stores give them out
			lines = append(lines, l.lines[0], "", "  ")
			r := check(t, ours, lines, with)
			got := r.Logs[0]
			if !r.OK() || got.Events != uint64(n) || got.Duplicates != 1 || got.Missing != 0 || got.First != 0 || got.Last != uint64(n-1) {
				t.Errorf("%d: %+v", n, r)
			}
			if with != nil && got.Root != l.cp.Root.String() {
				t.Errorf("%d: root %q", n, got.Root)
			}
		}
	}
}

// Each way in which events can be wrong is found and named.
func TestFaults(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 20)
	other := newLog(t, origin, 25)
	forged := newLog(t, origin, 20)
	forged.leaves[7] = bytes.Replace(forged.leaves[7], []byte(`"sessions":7`), []byte(`"sessions":8`), 1)
	// An event with another leaf hash, and its own digest made anew.
	rewrite := func(i int, edit func(v map[string]any)) string {
		return string(ocsf.Canonical(edited(t, l.lines[i], edit)))
	}
	attestation := func(v map[string]any) map[string]any {
		return v["attestation_list"].([]any)[0].(map[string]any)
	}
	for _, tt := range []struct {
		name  string
		lines []string
		with  func(*verify.Checker)
		want  string
	}{
		{"one missing", slices.Delete(slices.Clone(l.lines), 4, 5), nil, "event 4 is missing"},
		{"some missing", slices.Delete(slices.Clone(l.lines), 4, 9), nil, "events 4 to 8 (5 of them) are missing"},
		{"nothing", nil, nil, "there is no event"},
		{"changed text", replace(l.lines, 3, "is alive with 3", "is alive with 4"), nil, "events:4: event 3 is not what was sent"},
		{"changed leaf hash", with(l.lines, 3, rewrite(3, func(v map[string]any) {
			attestation(v)["fingerprint"].(map[string]any)["value"] = strings.Repeat("ab", 32)
		})), nil, "event 4 (events:5) does not follow event 3"},
		{"two with one index", append(slices.Clone(l.lines), rewrite(3, func(v map[string]any) {
			attestation(v)["fingerprint"].(map[string]any)["value"] = strings.Repeat("ab", 32)
		})), nil, "different ones with the same index 3"},
		{"no link", with(l.lines, 3, rewrite(3, func(v map[string]any) { delete(attestation(v), "prev_event") })), nil, "event 3 (events:4) does not follow event 2"},
		{"a link elsewhere", with(l.lines, 3, rewrite(3, func(v map[string]any) {
			attestation(v)["prev_event"].(map[string]any)["uid"] = origin + "#1"
		})), nil, "names another event than the one before it"},
		{"another uid", with(l.lines, 3, rewrite(3, func(v map[string]any) { v["metadata"].(map[string]any)["uid"] = "x" })), nil, "metadata.uid"},
		{"no attestation", replace(l.lines, 3, "attestation_list", "attestations"), nil, "events:4: it has no attestation_list"},
		{"no JSON", with(l.lines, 3, "{"), nil, "events:4: it is not an event"},
		{"text", with(l.lines, 3, "hello"), nil, "events:4: it is not an event"},
		{"two on a line", with(l.lines, 3, l.lines[3]+l.lines[4]), nil, "something behind"},
		{"tail cut, checkpoint", l.lines[:15], func(c *verify.Checker) { c.Checkpoint(l.cp) }, ""},
		{"another log's checkpoint", l.lines, func(c *verify.Checker) { c.Checkpoint(evidence.Checkpoint{Origin: "else", Size: 1}) }, `no event of the log "else"`},
		{"another root", l.lines, func(c *verify.Checker) {
			c.Checkpoint(evidence.Checkpoint{Origin: origin, Size: 20, Root: other.cp.Root})
		}, "their root is not the checkpoint's"},
		{"not the bundle's leaf", l.lines, func(c *verify.Checker) { c.Bundle(forged.contents()) }, "event 7 (events:8) is not the leaf of the bundle"},
		{"says something else", with(l.lines, 3, rewrite(3, func(v map[string]any) { v["message"] = "all is well" })), func(c *verify.Checker) { c.Bundle(l.contents()) }, "event 3 (events:4) does not say what its leaf says"},
		{"less than the bundle", slices.Delete(slices.Clone(l.lines), 4, 5), func(c *verify.Checker) { c.Bundle(l.contents()) }, "1 leaves of the bundle are not among the events"},
	} {
		r := check(t, ours, tt.lines, tt.with)
		text := strings.Join(r.Faults, "\n")
		if tt.want == "" {
			if !r.OK() || len(r.Notices) == 0 {
				t.Errorf("%s: %+v", tt.name, r)
			}
			continue
		}
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s: got\n%s\nwant %s", tt.name, text, tt.want)
		}
	}
}

// edited is an event that somebody has changed who knows the form.
func edited(t testing.TB, line string, edit func(v map[string]any)) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatal(err)
	}
	edit(v)
	return seal(v)
}

// seal gives an event its digest anew, as somebody who changes it would.
func seal(v map[string]any) map[string]any {
	list := v["attestation_list"].([]any)
	own := list[1].(map[string]any)
	print := own["fingerprint"].(map[string]any)
	delete(own, "fingerprint")
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var exact map[string]any
	if err := dec.Decode(&exact); err != nil {
		return v
	}
	print["value"] = digest(ocsf.Canonical(exact))
	exact["attestation_list"].([]any)[1].(map[string]any)["fingerprint"] = map[string]any{"algorithm_id": 3, "value": print["value"]}
	return exact
}

func digest(b []byte) string { return evidence.Digest(b) }

func with(lines []string, i int, line string) []string {
	lines = slices.Clone(lines)
	lines[i] = line
	return lines
}

func replace(lines []string, i int, old, now string) []string {
	return with(lines, i, strings.Replace(lines[i], old, now, 1))
}

// A store that adds to events is checked by hashes alone when that is asked for.
func TestLeavesOnly(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 5)
	var lines []string
	for _, line := range l.lines {
		lines = append(lines, strings.Replace(line, "{", `{"@timestamp":"now",`, 1))
	}
	if r := check(t, ours, lines, nil); r.OK() {
		t.Error("added keys are not noticed")
	}
	opt := ours
	opt.LeavesOnly = true
	if r := check(t, opt, lines, func(c *verify.Checker) { c.Bundle(l.contents()) }); !r.OK() || r.Logs[0].Compared != 5 {
		t.Errorf("%+v", r)
	}
}

// An event that is stored with other spaces, another order of keys and other
// forms of numbers is still the one that was sent.
func TestOtherSpelling(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 5)
	var lines []string
	for _, line := range l.lines {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil { // numbers become floating
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, "  "+strings.ReplaceAll(string(b), `":`, `" : `))
	}
	if r := check(t, ours, lines, nil); !r.OK() {
		t.Errorf("%+v", r)
	}
}

// Lines of syslog files, and arrays as a webhook sends them.
func TestOtherLines(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 4)
	lines := []string{
		`2026-03-01T08:00:00+00:00 gw sallyport: ` + l.lines[0],
		fmt.Sprintf(`<110>1 - gw sallyport - heartbeat [sallyport@32473 origin="%s" index="1"] %s`, origin, l.lines[1]),
		"[" + l.lines[2] + "," + l.lines[3] + "]",
	}
	if r := check(t, ours, lines, nil); !r.OK() || r.Logs[0].Events != 4 {
		t.Errorf("%+v", r)
	}
}

func TestSeveralLogs(t *testing.T) {
	t.Parallel()
	a, b := newLog(t, origin, 5), newLog(t, "sallyport.test/gw2", 7)
	r := check(t, ours, append(slices.Clone(a.lines), b.lines[2:]...), func(c *verify.Checker) { c.Checkpoint(a.cp) })
	if !r.OK() || len(r.Logs) != 2 || r.Logs[0].Events != 5 || r.Logs[1].First != 2 || r.Logs[1].Root != "" {
		t.Errorf("%+v", r)
	}
}

// Events of another version are compared by their hashes, and the report says
// so.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 5)
	opt := verify.Options{Version: "v2"}
	if r := check(t, opt, l.lines, func(c *verify.Checker) { c.Bundle(l.contents()) }); !r.OK() || len(r.Notices) != 0 {
		t.Errorf("the same event of another version: %+v", r)
	}
	other := with(l.lines, 3, string(ocsf.Canonical(edited(t, l.lines[3], func(v map[string]any) { v["message"] = "in other words" }))))
	r := check(t, opt, other, func(c *verify.Checker) { c.Bundle(l.contents()) })
	if !r.OK() || len(r.Notices) != 1 || !strings.Contains(r.Notices[0], "of 1 events only the hashes") {
		t.Errorf("another event of another version: %+v", r)
	}
}

func TestLongLine(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 1)
	c := verify.New(ours)
	long := io.MultiReader(strings.NewReader("{"), io.LimitReader(zeros{}, verify.MaxLine+5), strings.NewReader("\n"+l.lines[0]))
	if err := c.Add("x", long); err != nil {
		t.Fatal(err)
	}
	if r := c.Report(); len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "x:1: the line is longer") || r.Logs[0].Events != 1 {
		t.Errorf("%+v", r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestManyFaultsAreCounted(t *testing.T) {
	t.Parallel()
	r := check(t, ours, slices.Repeat([]string{"x"}, verify.MaxFaults+10), nil)
	if len(r.Faults) != verify.MaxFaults || r.More != 11 {
		t.Errorf("%d listed, %d more", len(r.Faults), r.More)
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	if err := verify.New(ours).Add("x", iotest.ErrReader(io.ErrClosedPipe)); err == nil {
		t.Error("an error of the reader is lost")
	}
}

// Whatever lines hold, a report comes out, and one without faults only of events
// that chain.
func FuzzAdd(f *testing.F) {
	l := newLog(f, origin, 3)
	f.Add([]byte(strings.Join(l.lines, "\n")))
	f.Add([]byte("[" + strings.Join(l.lines, ",") + "]"))
	f.Add([]byte(`x [a b="c"] {"attestation_list":[{"uid":"a#1","fingerprint":{"value":""}}]}`))
	f.Add([]byte(`{"attestation_list":[{"uid":"a#0"},null],"metadata":{"uid":"a#0"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, leavesOnly := range []bool{false, true} {
			c := verify.New(verify.Options{Version: "v1", LeavesOnly: leavesOnly})
			c.Bundle(l.contents())
			if err := c.Add("fuzz", bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
			r := c.Report()
			events := uint64(0)
			for _, g := range r.Logs {
				events += g.Events
				if g.Missing > 0 && r.OK() {
					t.Error("events are missing and nothing is wrong")
				}
			}
			if events == 0 && r.OK() {
				t.Error("nothing is there and nothing is wrong")
			}
		}
	})
}

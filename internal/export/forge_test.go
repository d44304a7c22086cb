// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"golang.org/x/mod/sumdb/note"
)

// repack writes a bundle again from changed files and signs its manifest with a
// key, as somebody could who holds that key.
func repack(t *testing.T, all map[string][]byte, signer note.Signer, change func(*evidence.Manifest)) []byte {
	t.Helper()
	var m evidence.Manifest
	if err := json.Unmarshal(all[evidence.ManifestName], &m); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := evidence.NewWriter(&buf)
	done := map[string]bool{}
	for _, f := range m.Files { // in the old order, then what is new
		if content, ok := all[f.Name]; ok {
			if err := w.Add(f.Name, content); err != nil {
				t.Fatal(err)
			}
		}
		done[f.Name] = true
	}
	for name, content := range all {
		if done[name] || name == evidence.ManifestName || name == evidence.SignatureName {
			continue
		}
		if err := w.Add(name, content); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&m)
	}
	if err := w.Close(m, signer); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// lastLineOff cuts the last line off.
func lastLineOff(text []byte) []byte {
	return text[:bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n')+1]
}

// TestForgeries gives the verifier bundles whose files and signatures fit
// together, as the operator himself could make them, and that do not say what
// the log says.
func TestForgeries(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	honest, _ := g.bundle(export.Filter{})
	session, _ := g.bundle(export.Filter{Session: "s_one"})
	skey, _, err := note.GenerateKey(strings.NewReader(strings.Repeat("other ", 20)), origin)
	if err != nil {
		t.Fatal(err)
	}
	other, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(name, old, new string) func(map[string][]byte) {
		return func(all map[string][]byte) {
			if !bytes.Contains(all[name], []byte(old)) {
				t.Errorf("%s does not contain %q", name, old)
			}
			all[name] = bytes.Replace(all[name], []byte(old), []byte(new), 1)
		}
	}
	drop := func(line string, names ...string) func(map[string][]byte) {
		return func(all map[string][]byte) {
			for _, name := range names {
				re := regexp.MustCompile("(?m)^.*" + line + ".*\n")
				all[name] = re.ReplaceAll(all[name], nil)
			}
		}
	}
	for name, tc := range map[string]struct {
		from   []byte
		files  func(map[string][]byte)
		man    func(*evidence.Manifest)
		signer note.Signer
		file   string
		words  string
	}{
		"nothing changed":     {},
		"manifest by a thief": {signer: other, file: evidence.SignatureName, words: "no trusted key"},
		"a leaf changed":      {files: swap(evidence.LeavesName, "DELETE FROM", "SELECT FROM"), file: evidence.LeavesName, words: "do not give its root"},
		"a leaf dropped":      {files: drop("\"index\":3,", evidence.LeavesName), man: func(m *evidence.Manifest) { m.Leaves-- }, words: "between leaf 3 and leaf 4 is missing", file: evidence.TreeName},
		"a statement dropped": {from: session, files: drop("\"type\":\"denial\"", evidence.LeavesName), file: evidence.LeavesName, words: "where"},
		"a table prettified":  {files: swap("05-audit-controls/session-audit-log.csv", "may have executed", "success"), file: "session-audit-log.csv", words: "does not say what the leaves say"},
		"a table in JSON":     {files: swap("10-minimum-necessary/masking-evidence.json", "redact", "reveal"), file: "masking-evidence.json", words: "does not say"},
		"a policy rewritten":  {files: swap("policies/"+string(g.policy)+".cedar", "permit", "forbid"), file: "policies/", words: "does not say"},
		"a recording changed": {files: swap("recordings/"+digest(bytes.Repeat([]byte("sealed s_one "), 20)), "sealed", "SEALED"), file: "recordings/", words: "not the ciphertext"},
		"a recording dropped": {files: func(all map[string][]byte) {
			delete(all, "recordings/"+digest(bytes.Repeat([]byte("sealed s_one "), 20)))
		}, file: "recordings/", words: "is missing"},
		"a recording added": {files: func(all map[string][]byte) { all["recordings/"+digest([]byte("x"))] = []byte("x") }, file: "recordings/", words: "no leaf commits"},
		"a replay added":    {files: func(all map[string][]byte) { all["replay/s_none.ndjson"] = []byte("{}") }, file: "replay/", words: "no session"},
		"a policy added":    {files: func(all map[string][]byte) { all["policies/x.cedar"] = []byte("x") }, file: "policies/", words: "no leaf has"},
		"a smaller tree":    {man: func(m *evidence.Manifest) { m.TreeSize-- }, file: evidence.CheckpointName, words: "not the checkpoint"},
		"another origin":    {man: func(m *evidence.Manifest) { m.Origin = "ledger.example/gw2" }, file: evidence.CheckpointName, words: "not the checkpoint"},
		"the checkpoint":    {files: swap(evidence.CheckpointName, "ledger", "ladder"), file: evidence.CheckpointName, words: "does not verify"},
		"the tree dropped":  {from: session, files: func(all map[string][]byte) { all[evidence.TreeName] = nil }, file: evidence.TreeName, words: "is missing"},
		"the tree cut":      {from: session, files: func(all map[string][]byte) { all[evidence.TreeName] = lastLineOff(all[evidence.TreeName]) }, file: evidence.TreeName, words: "it ends at leaf"},
		"a table dropped":   {files: func(all map[string][]byte) { delete(all, "02-unique-identification/sessions.csv") }, file: "sessions.csv", words: "is missing"},
		"a table longer": {files: func(all map[string][]byte) {
			all["05-audit-controls/session-audit-log.csv"] = append(all["05-audit-controls/session-audit-log.csv"], "more\n"...)
		}, file: "session-audit-log.csv", words: "does not say"},
		"a table shorter": {files: func(all map[string][]byte) {
			all["05-audit-controls/session-audit-log.csv"] = lastLineOff(all["05-audit-controls/session-audit-log.csv"])
		}, file: "session-audit-log.csv", words: "does not say"},
		"keys are not a list":  {files: func(all map[string][]byte) { all[evidence.KeysName] = []byte("[]") }, file: evidence.KeysName, words: "not a list"},
		"a leaf is not JSON":   {files: swap(evidence.LeavesName, "\"type\":\"stop\"", "\"type\":\"stop"), file: evidence.LeavesName, words: "not a JSON object"},
		"a line is not a leaf": {files: swap(evidence.LeavesName, "{\"index\":0,", "{\"index\":00,"), file: evidence.LeavesName, words: "canonical"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := honest
			if tc.from != nil {
				from = tc.from
			}
			all := files(t, from)
			if tc.files != nil {
				tc.files(all)
			}
			signer := g.signer
			if tc.signer != nil {
				signer = tc.signer
			}
			r := g.verify(repack(t, all, signer, tc.man))
			if tc.file == "" {
				if !r.OK() {
					t.Errorf("faults: %v", r.Faults)
				}
				return
			}
			for _, f := range r.Faults {
				if regexp.MustCompile(tc.file).MatchString(f.File) && strings.Contains(f.Msg, tc.words) {
					return
				}
			}
			t.Errorf("no fault in %s about %q among %v", tc.file, tc.words, r.Faults)
		})
	}
}

// TestUntrustedKeys checks what is said when the auditor brings no key, and when
// it is another one.
func TestUntrustedKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{Session: "s_two"})
	r, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{})
	if err != nil || !r.OK() || r.Trusted || !strings.Contains(strings.Join(r.Notices, " "), "bundle itself") {
		t.Errorf("without a key: %v, %+v", err, r)
	}
	_, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat("other ", 20)), origin)
	if err != nil {
		t.Fatal(err)
	}
	r, err = evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{vkey}})
	if err != nil || r.OK() {
		t.Errorf("with another key: %v, %+v", err, r)
	}
	if _, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{"x"}}); err == nil {
		t.Error("a malformed key is accepted")
	}
}

// verifyWith verifies with more than a key.
func (g *gateway) verifyWith(bundle []byte, change func(*evidence.Options)) *evidence.Report {
	g.t.Helper()
	opt := evidence.Options{Keys: []string{g.vkey}}
	change(&opt)
	r, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), opt)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// TestEarlierCheckpoints compares bundles with checkpoints that an auditor kept.
func TestEarlierCheckpoints(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	gr := g.grant(1, "ci:claims", "clinic")
	g.session("s_one", gr, sessionOptions{statement: "SELECT 1"})
	kept, err := g.log.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size := g.log.Size()
	g.session("s_two", gr, sessionOptions{statement: "SELECT 2"})
	g.session("s_three", gr, sessionOptions{statement: "SELECT 3"})
	last, err := g.log.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := newGateway(t)
	other.start(1, true)
	other.session("s_other", other.grant(1, "ci:claims", "clinic"), sessionOptions{statement: "SELECT 9"})
	for other.log.Size() < size {
		other.heartbeat()
	}
	forked, err := other.log.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.session("s_four", gr, sessionOptions{statement: "SELECT 4"})
	longer, err := g.log.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cut := newGateway(t) // the same history without its end
	cut.start(1, true)
	cut.session("s_one", cut.grant(1, "ci:claims", "clinic"), sessionOptions{statement: "SELECT 1"})

	for _, c := range []struct {
		name   string
		from   *gateway
		filter export.Filter
		kept   []byte
		file   string
		words  string
	}{
		{"whole log", g, export.Filter{Earlier: []uint64{size}}, kept, "", ""},
		{"a session after it", g, export.Filter{Session: "s_three", Earlier: []uint64{size}}, kept, "", ""},
		{"a session before it", g, export.Filter{Session: "s_one", Earlier: []uint64{size}}, kept, "", ""},
		{"the newest", g, export.Filter{Session: "s_one"}, longer, "", ""},
		{"not asked for", g, export.Filter{Session: "s_one"}, last, evidence.TreeName, "export with that checkpoint"},
		{"rewritten", g, export.Filter{Earlier: []uint64{size}}, forked, evidence.CheckpointName, "did not grow out"},
		{"cut off", cut, export.Filter{}, last, evidence.CheckpointName, "its end was cut off"},
	} {
		bundle, _ := c.from.bundle(c.filter)
		r := g.verifyWith(bundle, func(o *evidence.Options) { o.Checkpoints = [][]byte{c.kept} })
		found := c.file == "" && r.OK() && r.Earlier == 1
		for _, f := range r.Faults {
			found = found || f.File == c.file && strings.Contains(f.Msg, c.words)
		}
		if !found {
			t.Errorf("%s: %d earlier, faults %v", c.name, r.Earlier, r.Faults)
		}
	}
}

// TestSealsInBundles checks seals as an auditor does who opened their key.
func TestSealsInBundles(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{})
	with := func(bundle []byte, keys ...evidence.SealKey) *evidence.Report {
		return g.verifyWith(bundle, func(o *evidence.Options) { o.SealKeys = keys })
	}
	if r := with(bundle); !r.OK() || r.Seals < 3 || r.SealsChecked != 0 {
		t.Errorf("without a key: %d of %d, %v", r.SealsChecked, r.Seals, r.Faults)
	}
	if r := with(bundle, g.seal); !r.OK() || r.SealsChecked != r.Seals {
		t.Errorf("with the key: %d of %d, %v", r.SealsChecked, r.Seals, r.Faults)
	}
	part, _ := g.bundle(export.Filter{Principal: "svc:reports", From: g.now.Add(-6 * time.Minute)})
	if r := with(part, g.seal); !r.OK() || r.SealsChecked == 0 {
		t.Errorf("of a part: %d of %d, %v", r.SealsChecked, r.Seals, r.Faults)
	}
	// A history that was written with the same key later, after three seals.
	forged := newGateway(t)
	for range 3 {
		if _, err := forged.log.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	forged.fill()
	lie, _ := forged.bundle(export.Filter{})
	if r := with(lie); !r.OK() {
		t.Errorf("the forgery should pass without the seals' key: %v", r.Faults)
	}
	if r := with(lie, g.seal); r.OK() || !strings.Contains(r.Faults[0].Msg, "3 seals are missing") {
		t.Errorf("the forgery passes: %v", r.Faults)
	}
}

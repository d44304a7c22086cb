// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

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
		"a leaf changed":      {files: swap(evidence.LeavesName, "DELETE FROM", "SELECT FROM"), file: evidence.ProofsName, words: "does not hold this leaf"},
		"a leaf dropped":      {files: drop("svc:nobody|\"index\":3[,}]", evidence.LeavesName, evidence.ProofsName), man: func(m *evidence.Manifest) { m.Leaves-- }, words: "", file: "grants.json|policies|leaves.ndjson|requests.json|approvals.json"},
		"a statement dropped": {from: session, files: drop("\"type\":\"denial\"", evidence.LeavesName), file: evidence.LeavesName, words: "where"},
		"a table prettified":  {files: swap("statements.csv", "may have executed", "success"), file: "statements.csv", words: "does not say what the leaves say"},
		"a table in JSON":     {files: swap("masking.json", "redact", "reveal"), file: "masking.json", words: "does not say"},
		"a policy rewritten":  {files: swap("policies/"+string(g.policy)+".cedar", "permit", "forbid"), file: "policies/", words: "does not say"},
		"a recording changed": {files: swap("recordings/"+digest(bytes.Repeat([]byte("sealed s_one "), 20)), "sealed", "SEALED"), file: "recordings/", words: "not the ciphertext"},
		"a recording dropped": {files: func(all map[string][]byte) {
			delete(all, "recordings/"+digest(bytes.Repeat([]byte("sealed s_one "), 20)))
		}, file: "recordings/", words: "is missing"},
		"a recording added":    {files: func(all map[string][]byte) { all["recordings/"+digest([]byte("x"))] = []byte("x") }, file: "recordings/", words: "no leaf commits"},
		"a replay added":       {files: func(all map[string][]byte) { all["replay/s_none.ndjson"] = []byte("{}") }, file: "replay/", words: "no session"},
		"a policy added":       {files: func(all map[string][]byte) { all["policies/x.cedar"] = []byte("x") }, file: "policies/", words: "no leaf has"},
		"a smaller tree":       {man: func(m *evidence.Manifest) { m.TreeSize-- }, file: evidence.CheckpointName, words: "not the checkpoint"},
		"another origin":       {man: func(m *evidence.Manifest) { m.Origin = "ledger.example/gw2" }, file: evidence.CheckpointName, words: "not the checkpoint"},
		"the checkpoint":       {files: swap(evidence.CheckpointName, "ledger", "ladder"), file: evidence.CheckpointName, words: "does not verify"},
		"proofs dropped":       {files: func(all map[string][]byte) { all[evidence.ProofsName] = nil }, file: evidence.ProofsName, words: "0 proofs"},
		"the tables dropped":   {files: func(all map[string][]byte) { delete(all, "sessions.csv") }, file: "sessions.csv", words: "is missing"},
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

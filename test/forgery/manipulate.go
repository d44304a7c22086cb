// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package forgery

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"golang.org/x/mod/sumdb/note"
)

// Who changes a bundle.
const (
	NoKey    = "somebody without a key"      // leaves the manifest and its signature as they were
	OwnKey   = "somebody with their own key" // signs the changed manifest with it
	TheLogs  = "the operator"                // signs the changed manifest with the log's key
	statesOf = "05-audit-controls/session-audit-log.csv"
)

// Case is a bundle that was manipulated, what an auditor checks it with, and
// what must be said of it.
type Case struct {
	Name, Who   string
	Bundle      []byte
	Checkpoints [][]byte
	// Policy is the witness policy that the auditor has; nil for none.
	Policy []byte
	// File and Words are of the fault that must be found.
	File, Words string
}

// Cases returns the twelve manipulations, by everybody who could do each.
func Cases(t testing.TB) (l *Log, cases []Case) {
	t.Helper()
	l = New(t)
	oldSigned, oldSize := l.Keep()
	oldBundle := l.Bundle(export.Filter{})
	l.Crash()
	newSigned, _ := l.Keep()
	whole := l.Bundle(export.Filter{})
	one, two := l.Bundle(export.Filter{Session: "s_one"}), Files(t, l.Bundle(export.Filter{Session: "s_two"}))
	var m evidence.Manifest
	if err := json.Unmarshal(Files(t, oldBundle)[evidence.ManifestName], &m); err != nil {
		t.Fatal(err)
	}
	policyFile := evidence.PolicyDir + string(l.policy) + ".cedar"
	notSigned, root := "not those that were signed", "do not give its root"
	for _, c := range []struct {
		name   string
		from   []byte
		change func(all map[string][]byte)
		man    func(*evidence.Manifest)
		file   string // what was changed
		byOp   string // where the operator's change shows, as a file and words
		words  string
		policy []byte
	}{
		{name: "an event is edited", change: swap(t, evidence.LeavesName, "DELETE FROM results", "SELECT FROM results"), file: evidence.LeavesName, byOp: evidence.LeavesName, words: root},
		{name: "an event is deleted", change: dropLine(t, evidence.LeavesName, `"index":5,`), man: func(m *evidence.Manifest) { m.Leaves-- }, file: evidence.LeavesName, byOp: evidence.TreeName, words: "between leaf 5 and leaf 6 is missing"},
		{name: "an event is inserted", change: insertEvent, man: func(m *evidence.Manifest) { m.Leaves++ }, file: evidence.LeavesName, byOp: evidence.TreeName, words: "it ends at leaf"},
		{name: "events are reordered", change: reorder, file: evidence.LeavesName, byOp: evidence.LeavesName, words: root},
		{name: "the tail is cut off", change: cutTail, man: func(m *evidence.Manifest) { m.Leaves -= 3 }, file: evidence.LeavesName, byOp: evidence.TreeName, words: "it ends at leaf"},
		{name: "a session is put in the place of another", from: one, change: func(all map[string][]byte) { all[evidence.LeavesName] = two[evidence.LeavesName] }, file: evidence.LeavesName, byOp: evidence.TreeName, words: "is missing"},
		{name: "an old checkpoint is put back", change: func(all map[string][]byte) { all[evidence.CheckpointName] = oldSigned }, man: func(to *evidence.Manifest) { to.TreeSize, to.Root = oldSize, m.Root }, file: evidence.CheckpointName, byOp: evidence.TreeName, words: "it ends at leaf"},
		{name: "a cosignature is stripped", change: strip, file: evidence.CheckpointName, byOp: evidence.CheckpointName, words: "quorum of the witness policy is not reached", policy: l.Witnesses},
		{name: "the text of a policy is changed", change: swap(t, policyFile, "permit", "forbid"), file: policyFile, byOp: policyFile, words: "does not say what the leaves say"},
		{name: "the key is changed", change: swap(t, evidence.KeysName, l.Key, l.OtherKey), file: evidence.KeysName},
		{name: "a row of a CSV is dropped", change: dropLine(t, statesOf, "DELETE FROM results"), file: statesOf, byOp: statesOf, words: "does not say what the leaves say"},
		{name: "a replay is edited", change: swap(t, evidence.ReplayDir+"s_one.ndjson", "17", "18"), file: evidence.ReplayDir + "s_one.ndjson"},
	} {
		from := whole
		if c.from != nil {
			from = c.from
		}
		all := Files(t, from)
		c.change(all)
		names := order(t, from)
		cases = append(cases,
			Case{Name: c.name, Who: NoKey, Bundle: pack(t, names, all), File: c.file, Words: notSigned},
			Case{Name: c.name, Who: OwnKey, Bundle: resign(t, names, all, l.other, c.man), File: evidence.SignatureName, Words: "no trusted key signed it"})
		if c.byOp != "" {
			cases = append(cases, Case{Name: c.name, Who: TheLogs, Bundle: resign(t, names, all, l.signer, c.man), Policy: c.policy, File: c.byOp, Words: c.words})
		}
	}
	// The operator's own old bundle has nothing wrong in it; who kept a later
	// checkpoint sees that the end is gone.
	cases = append(cases, Case{
		Name: "an old checkpoint is put back", Who: TheLogs + ", with all that belongs to it", Bundle: oldBundle, Checkpoints: [][]byte{newSigned},
		File: evidence.CheckpointName, Words: "its end was cut off",
	})
	return l, cases
}

func swap(t testing.TB, name, old, new string) func(map[string][]byte) {
	return func(all map[string][]byte) {
		if !bytes.Contains(all[name], []byte(old)) {
			t.Errorf("%s does not contain %q", name, old)
		}
		all[name] = bytes.Replace(all[name], []byte(old), []byte(new), 1)
	}
}

func dropLine(t testing.TB, name, with string) func(map[string][]byte) {
	return func(all map[string][]byte) {
		re := regexp.MustCompile("(?m)^.*" + regexp.QuoteMeta(with) + ".*\n")
		if !re.Match(all[name]) {
			t.Errorf("%s has no line with %q", name, with)
		}
		all[name] = re.ReplaceAll(all[name], nil)
	}
}

func leafLines(all map[string][]byte) [][]byte {
	return slices.Collect(bytes.Lines(bytes.Clone(all[evidence.LeavesName])))
}

// raw cuts the event out of a line.
func raw(line []byte) []byte {
	_, after, _ := bytes.Cut(line, []byte(`"leaf":`))
	return after[:len(after)-2]
}

func setLeaves(all map[string][]byte, events [][]byte) {
	var b []byte
	for i, e := range events {
		b = evidence.AppendLeafLine(b, evidence.IndexedLeaf{Index: uint64(i), Raw: e})
	}
	all[evidence.LeavesName] = b
}

func events(all map[string][]byte) (out [][]byte) {
	for _, line := range leafLines(all) {
		out = append(out, raw(line))
	}
	return out
}

// insertEvent puts a refused login after the fifth event.
func insertEvent(all map[string][]byte) {
	list := events(all)
	made := []byte(`{"v":1,"type":"identity","origin":"` + Origin + `","time":"2026-05-06T07:00:07Z","mono":1,"body":{"accepted":false,"reason":"made up"}}`)
	setLeaves(all, slices.Insert(list, 5, made))
}

// reorder exchanges two events that stand outside of sessions.
func reorder(all map[string][]byte) {
	list := events(all)
	list[1], list[2] = list[2], list[1]
	setLeaves(all, list)
}

func cutTail(all map[string][]byte) {
	list := events(all)
	setLeaves(all, list[:len(list)-3])
}

// strip takes the last signature off the checkpoint.
func strip(all map[string][]byte) {
	signed := all[evidence.CheckpointName]
	all[evidence.CheckpointName] = signed[:bytes.LastIndexByte(signed[:len(signed)-1], '\n')+1]
}

// Files unpacks a bundle.
func Files(t testing.TB, bundle []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		out[f.Name] = content
	}
	return out
}

func order(t testing.TB, bundle []byte) (names []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

// resign packs changed files with a manifest that fits them and is signed with
// a key.
func resign(t testing.TB, names []string, all map[string][]byte, signer note.Signer, change func(*evidence.Manifest)) []byte {
	t.Helper()
	var m evidence.Manifest
	if err := json.Unmarshal(all[evidence.ManifestName], &m); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := evidence.NewWriter(&buf)
	for _, name := range names {
		content, ok := all[name]
		if !ok || name == evidence.ManifestName || name == evidence.SignatureName {
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

// Resign packs changed files of a bundle as the operator could; new ones come
// last.
func (l *Log) Resign(bundle []byte, all map[string][]byte, change func(*evidence.Manifest)) []byte {
	l.t.Helper()
	names := order(l.t, bundle)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return resign(l.t, names, all, l.signer, change)
}

// pack writes the archive of a bundle with its manifest and signature as they
// are, in the one form that the format has.
func pack(t testing.TB, names []string, all map[string][]byte) []byte {
	t.Helper()
	le := binary.LittleEndian
	var out, dir []byte
	for _, name := range names {
		content, packed, method := all[name], all[name], uint16(0)
		if name != evidence.ManifestName && name != evidence.SignatureName {
			packed, method = deflate(t, content), 8
		}
		fields := le.AppendUint16(nil, 20)
		fields = le.AppendUint16(fields, 0)
		fields = le.AppendUint16(fields, method)
		fields = le.AppendUint32(fields, (1<<5|1)<<16) // 00:00:00 on the first day
		fields = le.AppendUint32(fields, crc32.ChecksumIEEE(content))
		fields = le.AppendUint32(fields, uint32(len(packed)))
		fields = le.AppendUint32(fields, uint32(len(content)))
		fields = le.AppendUint16(fields, uint16(len(name)))
		dir = append(append(append(dir, "PK\x01\x02\x14\x00"...), fields...), make([]byte, 12)...)
		dir = append(le.AppendUint32(dir, uint32(len(out))), name...)
		out = append(append(append(out, "PK\x03\x04"...), fields...), 0, 0)
		out = append(append(out, name...), packed...)
	}
	end := append([]byte("PK\x05\x06"), 0, 0, 0, 0)
	end = le.AppendUint16(le.AppendUint16(end, uint16(len(names))), uint16(len(names)))
	end = le.AppendUint32(le.AppendUint32(end, uint32(len(dir))), uint32(len(out)))
	return append(append(append(out, dir...), end...), 0, 0)
}

func deflate(t testing.TB, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// String names the case.
func (c Case) String() string {
	return c.Name + " by " + c.Who + " (" + strconv.Itoa(len(c.Bundle)) + " bytes)"
}

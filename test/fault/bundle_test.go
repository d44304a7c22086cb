// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
)

// maxRSS is what the verifier may need for any small archive, in bytes.
const maxRSS = 128 << 20

// original is a bundle of a real gateway, with the key that signed it.
type original struct {
	bundle []byte
	vkey   string
	signer note.Signer
	m      evidence.Manifest
	files  []entry
}

func newOriginal(t *testing.T) *original {
	t.Helper()
	g := newRig(t)
	g.Run(t)
	g.load(t, g.PostgresAddress(), 2, 8)
	o := &original{vkey: g.VerifierKeys()[0]}
	o.bundle = g.bundle(t)
	g.Stop(t)
	skey, err := os.ReadFile(filepath.Join(g.Dir, "data", "keys", "ledger.key"))
	if err != nil {
		t.Fatal(err)
	}
	if o.signer, err = note.NewSigner(strings.TrimSpace(string(skey))); err != nil {
		t.Fatal(err)
	}
	o.m, o.files = unpack(t, o.bundle)
	if faults := o.verify(t, sealed(t, o.m, o.files, o.signer)); len(faults) > 0 {
		t.Fatalf("the harness does not write bundles as they are: %v", faults)
	}
	return o
}

func (o *original) verify(t *testing.T, bundle []byte) []evidence.Fault {
	t.Helper()
	rep, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{o.vkey}})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Faults
}

// auditLog is a table of a bundle.
const auditLog = "05-audit-controls/session-audit-log.csv"

// found counts a manipulation, and whether the verifier has found it.
func (o *original) found(t *testing.T, r *row, what string, bundle []byte) {
	t.Helper()
	if bytes.Equal(bundle, o.bundle) {
		t.Errorf("%s: nothing was changed", what)
		return
	}
	r.fired++
	if len(o.verify(t, bundle)) == 0 {
		r.undetected++
		t.Errorf("%s: the verifier passes it", what)
	}
}

// changed returns the files with one of them changed.
func (o *original) changed(t *testing.T, name string, change func(string) string) []entry {
	t.Helper()
	files := slices.Clone(o.files)
	for i, f := range files {
		if f.name != name {
			continue
		}
		text := change(string(f.packed))
		if text == string(f.packed) {
			t.Errorf("%s: nothing was changed", name)
		}
		files[i] = stored(name, []byte(text))
		return files
	}
	t.Errorf("there is no %s", name)
	return files
}

// lines lets a change work on the lines of a text.
func lines(change func([]string) []string) func(string) string {
	return func(s string) string { return strings.Join(change(strings.SplitAfter(s, "\n")), "") }
}

func swapped(i, j int) func([]string) []string {
	return func(l []string) []string {
		l[i], l[j] = l[j], l[i]
		return l
	}
}

// TestForgedBundles changes a bundle as its operator could, who holds the key and
// signs the result, and as others could.
func TestForgedBundles(t *testing.T) {
	t.Parallel()
	o := newOriginal(t)
	skey, _, err := note.GenerateKey(rand2{}, o.m.Origin)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	resigned := func(name string, change func(string) string) []byte {
		return sealed(t, o.m, o.changed(t, name, change), o.signer)
	}
	forged := fault(t, "bundle: forged", "a file of it changed and the manifest signed again")
	o.found(t, forged, "signed by a thief", sealed(t, o.m, o.files, thief))
	o.found(t, forged, "not signed again", unsigned(o.changed(t, evidence.LeavesName, replace("marks", "parks")), o.bundle, t))
	o.found(t, forged, "a leaf edited", resigned(evidence.LeavesName, replace("marks", "parks")))
	o.found(t, forged, "a leaf deleted", resigned(evidence.LeavesName, lines(func(l []string) []string { return slices.Delete(l, 3, 4) })))
	o.found(t, forged, "a leaf inserted", resigned(evidence.LeavesName, lines(func(l []string) []string { return slices.Insert(l, 3, l[5]) })))
	o.found(t, forged, "the tail cut", resigned(evidence.LeavesName, lines(func(l []string) []string { return l[:len(l)-4] })))
	o.found(t, forged, "a row of a table dropped", resigned(auditLog, lines(func(l []string) []string { return slices.Delete(l, 1, 2) })))
	o.found(t, forged, "a table prettified", resigned(auditLog, replace("success", "failure")))
	o.found(t, forged, "the tree added to", resigned(evidence.TreeName, func(s string) string { return s + "{\"root_of\":1}\n" }))
	o.found(t, forged, "the checkpoint of a smaller log", resigned(evidence.CheckpointName, lines(func(l []string) []string { l[1] = "3\n"; return l })))
	for _, f := range o.files {
		if strings.HasPrefix(f.name, evidence.PolicyDir) {
			o.found(t, forged, "a policy rewritten", resigned(f.name, replace("permit", "forbid")))
		}
		if strings.HasPrefix(f.name, evidence.RecordingDir) {
			o.found(t, forged, "a recording changed", resigned(f.name, func(s string) string { return s[:len(s)-1] + string(s[len(s)-1]^1) }))
		}
		without := slices.DeleteFunc(slices.Clone(o.files), func(e entry) bool { return e.name == f.name })
		// Words for the reader and decoded replays prove nothing, and may be missing.
		if f.name != evidence.ReadmeName && f.name != evidence.CheckName && f.name != evidence.VerifierName && !strings.HasPrefix(f.name, evidence.ReplayDir) {
			o.found(t, forged, f.name+" left out", sealed(t, o.m, without, o.signer))
		}
	}

	reordered := fault(t, "bundle: reordered", "leaves, proofs and files exchanged and signed again")
	o.found(t, reordered, "two leaves", resigned(evidence.LeavesName, lines(swapped(4, 5))))
	o.found(t, reordered, "what two leaves say", resigned(evidence.LeavesName, lines(func(l []string) []string {
		a, b, c, d := "", "", "", ""
		a, b, _ = strings.Cut(l[4], ",")
		c, d, _ = strings.Cut(l[5], ",")
		l[4], l[5] = a+","+d, c+","+b
		return l
	})))
	o.found(t, reordered, "all leaves", resigned(evidence.LeavesName, lines(func(l []string) []string { slices.Reverse(l); return l })))
	moved := slices.Clone(o.files)
	moved[0], moved[1] = moved[1], moved[0]
	o.found(t, reordered, "the files of the archive, not signed again", unsigned(moved, o.bundle, t))

	o.damage(t)
	o.traverse(t)
	o.bombs(t)
}

// unsigned writes files with the manifest and the signature of another bundle.
func unsigned(files []entry, of []byte, t *testing.T) []byte {
	t.Helper()
	out := slices.Clone(files)
	for _, name := range []string{evidence.ManifestName, evidence.SignatureName} {
		out = append(out, stored(name, member(t, of, name)))
	}
	return container(out)
}

// damage flips bits of a bundle, cuts it, and adds to it.
func (o *original) damage(t *testing.T) {
	t.Helper()
	r := fault(t, "bundle: bit flip", "bytes at random")
	rng := rand.New(rand.NewPCG(9, 9))
	for range pick(150, 2500) {
		b := bytes.Clone(o.bundle)
		at := rng.IntN(len(b))
		b[at] ^= 1 << rng.IntN(8)
		o.found(t, r, fmt.Sprintf("byte %d", at), b)
	}
	r = fault(t, "bundle: cut and extended", "at random places")
	for range pick(40, 400) {
		at := rng.IntN(len(o.bundle))
		o.found(t, r, fmt.Sprintf("cut at %d", at), o.bundle[:at])
		o.found(t, r, fmt.Sprintf("a byte more at %d", at), slices.Insert(bytes.Clone(o.bundle), at, 'x'))
	}
	o.found(t, r, "bytes in front", append([]byte("#!/bin/sh\n"), o.bundle...))
	o.found(t, r, "bytes behind", append(bytes.Clone(o.bundle), "more"...))
}

// traverse gives files names that would leave the directory that a bundle is
// unpacked to.
func (o *original) traverse(t *testing.T) {
	t.Helper()
	r := fault(t, "bundle: path traversal", "a file with such a name, listed and signed")
	for _, name := range []string{
		"../evil", "../../../../etc/evil", "/etc/evil", "policies/../../evil", "policies/./evil", "..\\evil", "C:\\evil", "C:evil", "\\\\host\\evil",
		"a//evil", "evil/", ".evil", "policies/.evil", "evil.", "ev\x00il", "ev\nil", "ev il", "évil", "%2e%2e/evil", "~/evil", strings.Repeat("e", 300), "",
	} {
		o.found(t, r, fmt.Sprintf("%q", name), sealed(t, o.m, append(slices.Clone(o.files), stored(name, []byte("evil"))), o.signer))
	}
	o.found(t, r, "a name twice", sealed(t, o.m, append(slices.Clone(o.files), stored(evidence.LeavesName, []byte("evil"))), o.signer))
}

// bombs gives the verifier archives that are small and unpack to much, in a process
// of its own whose memory is measured.
func (o *original) bombs(t *testing.T) {
	t.Helper()
	r := fault(t, "bundle: zip bomb", "files of zeros, a thousand times smaller in the archive")
	with := func(e entry) []entry {
		files := slices.DeleteFunc(slices.Clone(o.files), func(f entry) bool { return f.name == e.name })
		return append(files, e)
	}
	const mib = 1000
	liar := bomb(t, auditLog, mib)
	liar.size = 100
	front := func(e entry) []byte {
		return container(append(slices.Clone(o.files), e, stored(evidence.SignatureName, member(t, o.bundle, evidence.SignatureName))))
	}
	many := make([]entry, 60_000)
	for i := range many {
		many[i] = stored(fmt.Sprintf("policies/%d", i), nil)
	}
	overlap := container(append(slices.Clone(o.files), bomb(t, "replay/a", mib)))
	// Every header of the directory points to the first file.
	for at := len(overlap) - 22; at > 0; at-- {
		if binary.LittleEndian.Uint32(overlap[at:]) == 0x02014b50 {
			binary.LittleEndian.PutUint32(overlap[at+42:], 0)
		}
	}
	for _, tc := range []struct {
		name   string
		bundle []byte
	}{
		{"the manifest", front(bomb(t, evidence.ManifestName, mib))},
		{"the signature", container(append(slices.Clone(o.files), stored(evidence.ManifestName, member(t, o.bundle, evidence.ManifestName)), bomb(t, evidence.SignatureName, mib)))},
		{"the keys, signed", sealed(t, o.m, with(bomb(t, evidence.KeysName, mib)), o.signer)},
		{"the leaves, signed", sealed(t, o.m, with(bomb(t, evidence.LeavesName, mib)), o.signer)},
		{"a table, signed", sealed(t, o.m, with(bomb(t, auditLog, mib)), o.signer)},
		{"a policy, signed", sealed(t, o.m, with(bomb(t, evidence.PolicyDir+"zero.cedar", mib)), o.signer)},
		{"a recording, signed", sealed(t, o.m, with(bomb(t, evidence.RecordingDir+"zero", mib)), o.signer)},
		{"a file that the manifest does not list", unsigned(append(slices.Clone(o.files), bomb(t, evidence.ReplayDir+"zero", mib)), o.bundle, t)},
		{"a size that lies, signed", sealed(t, o.m, with(liar), o.signer)},
		{"sixty thousand files, signed", sealed(t, o.m, append(slices.Clone(o.files), many...), o.signer)},
		{"files that overlap", overlap},
	} {
		peak := o.verifier(t, r, tc.name, tc.bundle)
		t.Logf("%s: an archive of %d KB needs %d MB", tc.name, len(tc.bundle)>>10, peak>>20)
		if peak > maxRSS+8*int64(len(tc.bundle)) {
			t.Errorf("%s: the verifier needs %d MB of memory for an archive of %d KB", tc.name, peak>>20, len(tc.bundle)>>10)
		}
	}
}

// member returns a file of a bundle.
func member(t *testing.T, bundle []byte, name string) []byte {
	t.Helper()
	b, err := fileOf(bundle, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verifier runs the auditors' command on a bundle, which it must not pass, and
// returns the most memory that it had.
func (o *original) verifier(t *testing.T, r *row, what string, bundle []byte) (peak int64) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(name, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command(t, "sallyport-verify"), "-key", o.vkey, name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	watched := make(chan int64, 1)
	go func() { watched <- watch(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	peak = <-watched
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r.fired++
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		r.undetected++
		t.Errorf("%s: the verifier ended with %d: %.300s", what, code, &out)
	}
	return peak
}

// watch returns the most memory that a process has until it ends. What the kernel
// says at its end is no less than what this process had when it made it.
func watch(pid int, ended <-chan struct{}) (peak int64) {
	for {
		select {
		case <-ended:
			return peak
		case <-time.After(time.Millisecond):
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range bytes.Lines(text) {
			var kb int64
			if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kb); n == 1 {
				peak = max(peak, kb<<10)
			}
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
)

// cosign has a synthetic witness cosign a checkpoint.
func cosign(t *testing.T, signed []byte) (line, vkey string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	vkey, err := evidence.CosignerKey("witness.example/w1", private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	c, err := evidence.NewCosigner(vkey)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	const seconds = 1767225600 // 2026-01-01
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, c.KeyHash()), seconds)
	b = append(b, ed25519.Sign(private, evidence.CosignedMessage(seconds, append(bytes.Clone(text), '\n')))...)
	return "\u2014 witness.example/w1 " + base64.StdEncoding.EncodeToString(b) + "\n", vkey
}

// cosigned is a bundle with a cosigned checkpoint and its policy.
func cosigned(t *testing.T, g *gateway) (bundle []byte, policy string) {
	t.Helper()
	signed, err := g.log.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line, vkey := cosign(t, signed)
	policy = "log " + g.vkey + "\nwitness w1 " + vkey + "\nquorum w1\n"
	src := g.source()
	src.Checkpoint = func(context.Context) ([]byte, error) { return append(bytes.Clone(signed), line...), nil }
	src.TrustPolicy = []byte(policy)
	var buf bytes.Buffer
	if _, err := export.Build(t.Context(), &buf, src, export.Filter{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), policy
}

func TestCosignedBundle(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	older, _ := cosign(t, []byte(evidence.Checkpoint{Origin: origin, Size: 1}.Text()+"\n"))
	bundle, policy := cosigned(t, g)
	all := files(t, bundle)
	checkpoint := all[evidence.CheckpointName]
	bare, _, _ := bytes.Cut(checkpoint, []byte("\u2014 witness"))
	parse := func(text string) *evidence.TrustPolicy {
		p, err := evidence.ParseTrustPolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	with := func(name string, content []byte) []byte {
		changed := files(t, bundle)
		if content == nil {
			delete(changed, name)
		} else {
			changed[name] = content
		}
		return repack(t, changed, g.signer, nil)
	}
	other := strings.Replace(policy, "quorum w1", "quorum none", 1)
	for name, tc := range map[string]struct {
		bundle []byte
		policy string // the auditor's own
		fault  string // "" for none
		says   string
	}{
		"by its own policy":              {bundle, "", "", "quorum reached, by the policy in the bundle itself, NOT TRUSTED"},
		"by the auditor's":               {bundle, policy, "", "w1 cosigned at 2026-01-01T00:00:00Z (witness.example/w1+"},
		"by one that demands none":       {bundle, other, "", "none demanded"},
		"stripped, by its own policy":    {with(evidence.CheckpointName, bare), "", "", "quorum NOT REACHED"},
		"stripped, by the auditor's":     {with(evidence.CheckpointName, bare), policy, "no witness cosigned the checkpoint", "no cosignature"},
		"policy removed":                 {with(evidence.TrustPolicyName, nil), policy, "", "quorum reached"},
		"both removed":                   {repacked(t, g, files(t, bundle), bare), policy, "the quorum of the witness policy is not reached", ""},
		"garbage for a policy":           {with(evidence.TrustPolicyName, []byte("quorum\n")), "", "it is not a policy", ""},
		"a cosignature of an older tree": {with(evidence.CheckpointName, append(bytes.Clone(bare), older...)), policy, "by the witness policy", ""},
	} {
		opt := evidence.Options{Keys: []string{g.vkey}}
		if tc.policy != "" {
			opt = evidence.Options{Policy: parse(tc.policy)}
		}
		r, err := evidence.Verify(bytes.NewReader(tc.bundle), int64(len(tc.bundle)), opt)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if _, err := r.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		if r.OK() != (tc.fault == "") || !strings.Contains(text.String(), tc.fault) || !strings.Contains(text.String(), tc.says) {
			t.Errorf("%s:\n%s", name, &text)
		}
	}
}

// repacked is a bundle without its cosignatures and without its policy.
func repacked(t *testing.T, g *gateway, all map[string][]byte, checkpoint []byte) []byte {
	t.Helper()
	delete(all, evidence.TrustPolicyName)
	all[evidence.CheckpointName] = checkpoint
	return repack(t, all, g.signer, nil)
}

// TestCosignedByHand runs the Python verifier and the commands of the README on
// a checkpoint that has more signatures than the log's.
func TestCosignedByHand(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := cosigned(t, g)
	dir := t.TempDir()
	for name, content := range files(t, bundle) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	if out := run("python3", "check.py", g.vkey); !strings.Contains(out, "OK: ") {
		t.Error(out)
	}
	readme, err := os.ReadFile(filepath.Join(dir, evidence.ReadmeName))
	if err != nil {
		t.Fatal(err)
	}
	_, commands, ok := strings.Cut(string(readme), "KEY='NAME+HASH+BASE64'; F=ledger/checkpoint\n")
	commands, _, ok2 := strings.Cut(commands, "\n\n")
	if !ok || !ok2 {
		t.Fatal("the README has no commands for a signature")
	}
	if out := run("bash", "-c", "set -e; KEY='"+g.vkey+"'; F=ledger/checkpoint\n"+commands); !strings.Contains(out, "Verified Successfully") {
		t.Error(out)
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// proofCommand proves one event.
func (a *app) proofCommand() *cobra.Command {
	var keys []string
	var file string
	var force bool
	cmd := a.command("proof INDEX", "Prove one event of the ledger", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.auditProof(ctx, args[0], keys, file, force) })
	cmd.Long = "Prove one event of the ledger: its exact bytes, and a C2SP tlog-proof that leads from them to a signed checkpoint. With\n" +
		"--key it is checked here. With -f FILE both are written, to FILE.json and FILE.tlog-proof, for other tools to check."
	f := cmd.Flags()
	f.StringArrayVar(&keys, "key", nil, "verifier key that you trust, or @FILE; may be given several times")
	f.StringVarP(&file, "file", "f", "", "write the event and its proof to files of this name")
	f.BoolVar(&force, "force", false, "overwrite the files")
	return cmd
}

func (a *app) auditProof(ctx context.Context, index string, keys []string, file string, force bool) error {
	known, err := verifiers(keys)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var got struct {
		Index uint64 `json:"index"`
		Leaf  []byte `json:"leaf"`
		Proof string `json:"proof"`
	}
	if _, err := c.ask(ctx, http.MethodGet, "/v1/audit/proof", url.Values{"index": {index}}, nil, &got); err != nil {
		return err
	}
	checked := "not checked: give --key"
	if len(known) > 0 {
		i, cp, err := evidence.VerifyProof(got.Leaf, []byte(got.Proof), note.VerifierList(known...))
		if err != nil || i != got.Index {
			return sallyport.E(sallyport.Integrity, "audit", "the proof does not verify with the keys that you trust").
				WithHint("keep it: it may be evidence of a ledger that was replaced").Because(err)
		}
		checked = fmt.Sprintf("in the log of %d events", cp.Size)
	}
	if file != "" {
		for name, text := range map[string][]byte{file + ".json": got.Leaf, file + ".tlog-proof": []byte(got.Proof)} {
			if err := writeFile(name, text, force); err != nil {
				return err
			}
		}
	}
	out := map[string]any{"index": got.Index, "leaf": json.RawMessage(got.Leaf), "proof": got.Proof, "verified": len(known) > 0}
	leaf, err := evidence.ParseLeaf(got.Leaf)
	if err != nil {
		return err
	}
	return a.show(out, table{
		head: []string{"INDEX", "TYPE", "TIME", "SESSION", "PROOF"},
		rows: [][]string{{fmt.Sprint(got.Index), string(leaf.Type), stamp(leaf.Time), string(leaf.Session), checked}},
	})
}

// writeFile writes a new file.
func writeFile(name string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, mode, 0o600)
	if os.IsExist(err) {
		return sallyport.E(sallyport.Conflict, "write", "the file "+name+" is there already").WithHint("give another name, or --force")
	}
	if err == nil {
		_, err = f.Write(text)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "write", "the file "+name+" cannot be written").Because(err)
	}
	return nil
}

// verifiers reads the verifier keys of flags.
func verifiers(keys []string) ([]note.Verifier, error) {
	keys, err := trusted(keys)
	if err != nil {
		return nil, err
	}
	var known []note.Verifier
	for _, text := range keys {
		for k := range strings.FieldsSeq(text) {
			v, err := note.NewVerifier(k)
			if err != nil {
				return nil, usage("--key: %q is no verifier key", k)
			}
			known = append(known, v)
		}
	}
	return known, nil
}

// verifyDir checks a ledger's directory, of which no gateway is needed.
func (a *app) verifyDir(ctx context.Context, dir, origin string, keys []string, sealKeys string) error {
	known, err := verifiers(keys)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return usage("give the verifier key of the ledger with --key, as its auditors have it")
	}
	if origin == "" {
		origin = known[0].Name()
	}
	leaves, err := ledger.Verify(ctx, ledger.OS{}, dir, origin, note.VerifierList(known...))
	if err != nil {
		return err
	}
	out := map[string]any{"ok": true, "origin": origin, "leaves": leaves}
	t := table{head: []string{"ORIGIN", "EVENTS", "FRAMES", "VERIFIED FRAMES"}, rows: [][]string{{origin, fmt.Sprint(leaves), "-", "-"}}}
	if sealKeys != "" {
		b, err := readAll(sealKeys)
		if err != nil {
			return err
		}
		list, err := evidence.ParseSealKeys(string(b))
		if err != nil {
			return usage("--seal-key: %s", err)
		}
		var sum ledger.FrameReport
		for _, key := range list {
			r, err := ledger.VerifyFrames(ctx, ledger.Options{Dir: dir, Origin: origin, Verifiers: note.VerifierList(known...)}, key)
			if err != nil {
				return err
			}
			sum.Frames = r.Frames
			sum.Verified += r.Verified
		}
		out["frames"], out["verified_frames"] = sum.Frames, sum.Verified
		t.rows[0][2], t.rows[0][3] = fmt.Sprint(sum.Frames), fmt.Sprint(sum.Verified)
	}
	return a.show(out, t)
}

// sealKeyCommand opens the keys of a bundle's seals.
func (a *app) sealKeyCommand() *cobra.Command {
	var identity, file string
	var force bool
	cmd := a.command("seal-key BUNDLE", "Open the keys of a bundle's seals, offline", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error { return a.sealKeys(args[0], identity, file, force) })
	cmd.Long = "Open the keys with which the gateway sealed its ledger while it ran, and which it forgot: one for each of its starts that\n" +
		"is in the bundle. They are sealed to the auditors, so that your age identity opens them. Give the file to\n" +
		"sallyport-verify -seal-key: it then shows that nobody rewrote the log afterwards, not even with the key that signs it."
	f := cmd.Flags()
	f.StringVar(&identity, "identity", "", "file with your age identity")
	f.StringVarP(&file, "file", "f", "", "file to write the keys to")
	f.BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}

func (a *app) sealKeys(bundle, identity, file string, force bool) (err error) {
	if identity == "" || file == "" {
		return usage("name your age identity with --identity FILE, and the file to write with -f FILE")
	}
	b, err := readAll(identity)
	if err != nil {
		return err
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	clear(b)
	if err != nil {
		// age's error would repeat the line, which may be the key.
		return sallyport.E(sallyport.Invalid, "seal keys", "the file "+identity+" holds no age identity").WithHint("give the file that age-keygen wrote")
	}
	var out bytes.Buffer
	n := 0
	f, err := os.Open(bundle)
	if err != nil {
		return sallyport.E(sallyport.Invalid, "seal keys", "the bundle cannot be opened").Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return sallyport.E(sallyport.Invalid, "seal keys", "the bundle cannot be opened").Because(err)
	}
	opened, _, err := evidence.OpenBundle(f, info.Size(), evidence.Options{})
	if err != nil {
		return err
	}
	err = opened.Each(func(index uint64, raw []byte) error {
		leaf, err := evidence.ParseLeaf(raw)
		if err != nil || leaf.Type != evidence.TypeStart {
			return err
		}
		start, err := evidence.Body[evidence.Start](leaf)
		if err != nil || start.SealKey == nil {
			return err
		}
		key, err := vault.OpenSealKey(*start.SealKey, ids...)
		if err != nil {
			return err
		}
		n++
		fmt.Fprintf(&out, "%s # epoch %d, started %s, leaf %d\n", key.Secret(), start.Epoch, stamp(leaf.Time), index)
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		return sallyport.E(sallyport.NotFound, "seal keys", "no start of the gateway is in the bundle").WithHint("export one whose time span has one, or the whole log")
	}
	if err := writeFile(file, out.Bytes(), force); err != nil {
		return err
	}
	return a.show(map[string]any{"file": file, "keys": n}, table{head: []string{"FILE", "KEYS"}, rows: [][]string{{file, fmt.Sprint(n)}}})
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

func (a *app) evidenceCommand() *cobra.Command {
	var x export
	exp := a.client(a.command("export", "Write an evidence bundle to a file", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.evidenceExport(ctx, &x) }))
	exp.Long = "Write an evidence bundle to a file: the events of the ledger that the filters select, with proofs that anybody\n" +
		"can check offline, by \"sallyport evidence verify\", by sallyport-verify, or without either. An export goes on record."
	f := exp.Flags()
	f.StringVar(&x.from, "from", "", "sessions not ended before: a date, a time, or how long ago (24h)")
	f.StringVar(&x.to, "to", "", "sessions not begun after")
	f.StringVar(&x.principal, "principal", "", "of this principal")
	f.StringVar(&x.resource, "resource", "", "on this resource")
	f.StringVar(&x.session, "session", "", "this session")
	f.StringVar(&x.grant, "grant", "", "under this grant")
	f.StringVar(&x.asOf, "as-of", "", "nothing after the end of a day (2026-01-31, UTC) or a time, and the state of then")
	f.IntVar(&x.sample, "sample", 0, "draw so many of the sessions; needs --seed")
	f.StringVar(&x.seed, "seed", "", "number that the draw follows from: the same one draws the same sessions again")
	x.outputFlags(exp)
	f.StringArrayVar(&x.since, "since", nil, "file with an earlier checkpoint: the bundle shows that the log grew out of it; may be given several times")
	var t trust
	verify := a.command("verify FILE", "Check an evidence bundle, offline", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error { return a.evidenceVerify(args[0], t) })
	verify.Flags().StringArrayVar(&t.keys, "key", nil, "verifier key that you trust, or @FILE; may be given several times")
	verify.Flags().StringArrayVar(&t.checkpoints, "checkpoint", nil, "file with an earlier checkpoint that you kept; may be given several times")
	verify.Flags().StringVar(&t.policy, "policy", "", "file that says which witnesses must have cosigned (C2SP tlog-policy)")
	verify.Flags().StringVar(&t.sealKeys, "seal-key", "", "file with keys of seals, as \"evidence seal-key\" writes it")
	return a.group("evidence", "Export evidence, check it and open what is sealed in it", exp, verify, a.openCommand(), a.sealKeyCommand(), a.verifierCommand())
}

// verifierCommand prints the verifier for browsers, so that an auditor can have
// it from elsewhere than a bundle.
func (a *app) verifierCommand() *cobra.Command {
	var digest bool
	cmd := a.command("verifier", "Print verify.html, which checks bundles in a browser", cobra.NoArgs, func(context.Context, []string) error {
		page := evidence.VerifierPage()
		if digest {
			fmt.Fprintf(a.Stdout, "%s  %s\n", evidence.Digest(page), evidence.VerifierName)
			return nil
		}
		if _, err := a.Stdout.Write(page); err != nil {
			return sallyport.E(sallyport.Unavailable, "evidence verifier", "the page could not be written").Because(err)
		}
		return nil
	})
	cmd.Long = "Print verify.html: one file that checks an evidence bundle in a browser, offline, as sallyport-verify does. It is in\n" +
		"every bundle too, but a verifier that comes with what it verifies proves little: auditors compare its SHA-256."
	cmd.Flags().BoolVar(&digest, "digest", false, "print the SHA-256 of the page instead, in the form of sha256sum")
	return cmd
}

// export says what goes into a bundle and where it goes.
type export struct {
	from, to, principal, resource, session, grant, purpose string
	since                                                  []string
	asOf, seed                                             string
	sample                                                 int

	file     string
	force    bool
	withKeys bool
}

func (x *export) outputFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&x.purpose, "purpose", "", "what it is for; it goes on record")
	f.StringVarP(&x.file, "file", "f", "", "file to write, or - for standard output")
	f.BoolVar(&x.force, "force", false, "overwrite the file")
	f.BoolVar(&x.withKeys, "with-keys", false, "add the gateway's halves of keys, so that an auditor can open texts without it; goes on record")
}

// body is what the API is asked.
func (x *export) body(now time.Time) (map[string]any, error) {
	out := map[string]any{"purpose": x.purpose}
	if x.withKeys {
		out["with_keys"] = true
	}
	var earlier []uint64
	for _, name := range x.since {
		b, err := readAll(name)
		if err != nil {
			return nil, err
		}
		lines := strings.SplitN(string(b), "\n", 3) // C2SP tlog-checkpoint: origin, size, root
		size, err := strconv.ParseUint(lines[min(1, len(lines)-1)], 10, 63)
		if err != nil {
			return nil, usage("--since: %s is no checkpoint", name)
		}
		earlier = append(earlier, size)
	}
	if len(earlier) > 0 {
		out["earlier"] = earlier
	}
	if err := x.draw(out); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"from": x.from, "to": x.to} {
		t, err := when(now, text)
		if err != nil {
			return nil, usage("--%s: %s", name, err)
		}
		if !t.IsZero() {
			out[name] = t.Format(time.RFC3339)
		}
	}
	for name, text := range map[string]string{"principal": x.principal, "resource": x.resource, "session": x.session, "grant": x.grant} {
		if text != "" {
			out[name] = text
		}
	}
	return out, nil
}

// draw adds what is asked of a sample and of a day.
func (x *export) draw(out map[string]any) error {
	if x.asOf != "" {
		out["as_of"] = x.asOf
	}
	if (x.sample != 0) != (x.seed != "") || x.sample < 0 {
		return usage("--sample and --seed go together: --sample 25 --seed 7")
	}
	if x.sample > 0 {
		seed, err := strconv.ParseUint(x.seed, 10, 64)
		if err != nil {
			return usage("--seed: %q is not a number from 0", x.seed)
		}
		out["sample"], out["seed"] = x.sample, seed
	}
	return nil
}

func (a *app) evidenceExport(ctx context.Context, x *export) error {
	switch {
	case strings.TrimSpace(x.purpose) == "":
		return usage("say what the bundle is for with --purpose; it goes on record")
	case x.file == "":
		return usage("name the file with -f FILE")
	}
	if _, err := a.format(); err != nil {
		return err
	}
	body, err := x.body(a.Now())
	if err != nil {
		return err
	}
	if _, err := os.Stat(x.file); err == nil && !x.force && x.file != "-" {
		return sallyport.E(sallyport.Conflict, "export", "the file "+x.file+" is there already").WithHint("give another name, or --force")
	}
	b, err := json.Marshal(body)
	if err != nil {
		return sallyport.E(sallyport.Internal, "export", "the request is no JSON").Because(err)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	res, err := c.send(ctx, http.MethodPost, "/v1/evidence", nil, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	sum := sha256.New()
	var n int64
	if x.file == "-" {
		n, err = io.Copy(io.MultiWriter(a.Stdout, sum), res.Body)
	} else {
		n, err = store(x.file, res.Body, sum)
	}
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return sallyport.E(sallyport.Unavailable, "export", "the bundle could not be written").Because(err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if x.file == "-" {
		fmt.Fprintf(a.Stderr, "sha256 %s, %d bytes\n", digest, n)
		return nil
	}
	return a.show(map[string]any{"file": x.file, "bytes": n, "sha256": digest}, table{
		head: []string{"FILE", "BYTES", "SHA256"}, rows: [][]string{{x.file, fmt.Sprint(n), digest}},
	})
}

// store writes what comes to a new file in one step, so that a bundle that
// broke off is never taken for one.
func store(path string, r io.Reader, also io.Writer) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".sallyport-*")
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.MultiWriter(f, also), r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return n, errors.Join(err, os.Remove(f.Name()))
	}
	return n, nil
}

// trusted reads verifier keys, each given as such or as @FILE.
func trusted(keys []string) ([]string, error) {
	var out []string
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k, "@"); ok {
			b, err := readAll(name)
			if err != nil {
				return nil, err
			}
			k = string(b)
		}
		out = append(out, strings.TrimSpace(k))
	}
	return out, nil
}

// trust is what an auditor brings to a verification.
type trust struct {
	keys, checkpoints []string
	policy, sealKeys  string
}

// options reads the files.
func (t trust) options() (opt evidence.Options, err error) {
	keys, err := trusted(t.keys)
	if err != nil {
		return opt, err
	}
	for _, k := range keys {
		opt.Keys = append(opt.Keys, strings.Fields(k)...)
	}
	for _, name := range t.checkpoints {
		b, err := readAll(name)
		if err != nil {
			return opt, err
		}
		opt.Checkpoints = append(opt.Checkpoints, b)
	}
	if opt.Policy, err = trustPolicy(t.policy); err != nil {
		return opt, err
	}
	if t.sealKeys != "" {
		b, err := readAll(t.sealKeys)
		if err != nil {
			return opt, err
		}
		if opt.SealKeys, err = evidence.ParseSealKeys(string(b)); err != nil {
			return opt, usage("--seal-key: %s", err)
		}
	}
	return opt, nil
}

// trustPolicy reads the file that a flag --policy names, or nothing.
func trustPolicy(name string) (*evidence.TrustPolicy, error) {
	if name == "" {
		return nil, nil
	}
	text, err := readAll(name)
	if err != nil {
		return nil, err
	}
	return evidence.ParseTrustPolicy(text)
}

// evidenceVerify checks a bundle by the same code as sallyport-verify.
func (a *app) evidenceVerify(name string, t trust) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	if format == "csv" {
		return usage("a report is a table or JSON")
	}
	opt, err := t.options()
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return sallyport.E(sallyport.Invalid, "evidence verify", "the bundle cannot be opened").Because(err)
	}
	info, err := f.Stat()
	var report *evidence.Report
	if err == nil {
		report, err = evidence.Verify(f, info.Size(), opt)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return sallyport.E(sallyport.Invalid, "evidence verify", "the bundle cannot be checked").Because(err)
	}
	if format == "json" {
		err = writeJSON(a.Stdout, verified{report.OK(), report})
	} else {
		var b bytes.Buffer
		if _, err = report.WriteTo(&b); err == nil {
			_, err = io.WriteString(a.Stdout, cleanLines(b.String()))
		}
	}
	if err != nil {
		return err
	}
	if !report.OK() {
		return sallyport.E(sallyport.Integrity, "evidence verify", fmt.Sprintf("the bundle does not verify: %d faults", len(report.Faults))).
			WithHint("keep it as it is; it is evidence of its own")
	}
	return nil
}

// verified is the JSON form of a report.
type verified struct {
	OK     bool             `json:"ok"`
	Report *evidence.Report `json:"report"`
}

// indent lays out what the gateway sent.
func indent(raw []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return raw
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command sallyport-verify checks an evidence bundle offline. It links no
// network code.
//
//	sallyport-verify [-key NAME+HASH+BASE64]... [-policy FILE] [-checkpoint FILE]... [-seal-key FILE] BUNDLE.zip
//
// The policy (C2SP tlog-policy) says which witnesses must have cosigned the
// bundle's checkpoint.
//
// Exit codes: 0 the bundle verifies, 2 wrong usage or an unreadable file, 5 it
// does not verify.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sallyport-dev/sallyport/evidence"
)

// The exit codes, which are those of the main program too.
const (
	exitOK     = 0
	exitUsage  = 2
	exitFailed = 5
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// several collects the values of a flag that may be given several times.
type several []string

func (k *several) String() string { return "" }

func (k *several) Set(s string) error { *k = append(*k, s); return nil }

// maxInput bounds what is read of a checkpoint or a key file.
const maxInput = 1 << 20

// trust is what the flags say that the auditor trusts.
type trust struct {
	keys, checkpoints several
	policy, sealKeys  string
}

// options reads the files that the flags name.
func (t trust) options() (evidence.Options, error) {
	opt := evidence.Options{Keys: t.keys}
	for _, name := range t.checkpoints {
		b, err := read(name)
		if err != nil {
			return opt, err
		}
		opt.Checkpoints = append(opt.Checkpoints, b)
	}
	if t.policy != "" {
		b, err := read(t.policy)
		if err != nil {
			return opt, err
		}
		if opt.Policy, err = evidence.ParseTrustPolicy(b); err != nil {
			return opt, err
		}
	}
	if t.sealKeys == "" {
		return opt, nil
	}
	b, err := read(t.sealKeys)
	if err != nil {
		return opt, err
	}
	if opt.SealKeys, err = evidence.ParseSealKeys(string(b)); err != nil {
		err = fmt.Errorf("%s: %w", t.sealKeys, err)
	}
	return opt, err
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxInput))
	return b, errors.Join(err, f.Close())
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sallyport-verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var t trust
	flags.Var(&t.keys, "key", "a verifier key (NAME+HASH+BASE64) that you trust; may be given several times")
	flags.Var(&t.checkpoints, "checkpoint", "a `file` with an earlier checkpoint of the log that you kept; may be given several times")
	flags.StringVar(&t.policy, "policy", "", "a `file` that says which witnesses must have cosigned (C2SP tlog-policy)")
	flags.StringVar(&t.sealKeys, "seal-key", "", "a `file` with keys of seals, as \"sallyport evidence seal-key\" writes it")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: sallyport-verify [-key NAME+HASH+BASE64]... [-policy FILE] [-checkpoint FILE]... [-seal-key FILE] BUNDLE.zip")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return exitUsage
	}
	opt, err := t.options()
	if err != nil {
		fmt.Fprintln(stderr, "sallyport-verify:", err)
		return exitUsage
	}
	report, err := verify(flags.Arg(0), opt)
	if err != nil {
		fmt.Fprintln(stderr, "sallyport-verify:", err)
		return exitUsage
	}
	if _, err := report.WriteTo(stdout); err != nil {
		fmt.Fprintln(stderr, "sallyport-verify:", err)
		return exitUsage
	}
	if !report.OK() {
		return exitFailed
	}
	return exitOK
}

func verify(name string, opt evidence.Options) (*evidence.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	report, err := evidence.Verify(f, info.Size(), opt)
	return report, errors.Join(err, f.Close())
}

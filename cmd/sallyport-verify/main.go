// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command sallyport-verify checks an evidence bundle offline. It links no
// network code.
//
//	sallyport-verify [-key NAME+HASH+BASE64]... [-policy FILE] BUNDLE.zip
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

// keys collects the values of a flag that may be given several times.
type keys []string

func (k *keys) String() string { return "" }

func (k *keys) Set(s string) error { *k = append(*k, s); return nil }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sallyport-verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var trusted keys
	flags.Var(&trusted, "key", "a verifier key (NAME+HASH+BASE64) that you trust; may be given several times")
	policy := flags.String("policy", "", "a file that says which witnesses must have cosigned (C2SP tlog-policy)")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: sallyport-verify [-key NAME+HASH+BASE64]... [-policy FILE] BUNDLE.zip")
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
	report, err := verify(flags.Arg(0), trusted, *policy)
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

// maxPolicy bounds the policy's file; the parser has a lower limit.
const maxPolicy = 1 << 20

func readPolicy(name string) (*evidence.TrustPolicy, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPolicy))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return evidence.ParseTrustPolicy(text)
}

func verify(name string, trusted []string, policyName string) (*evidence.Report, error) {
	policy, err := readPolicy(policyName)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	report, err := evidence.Verify(f, info.Size(), evidence.Options{Keys: trusted, Policy: policy})
	return report, errors.Join(err, f.Close())
}

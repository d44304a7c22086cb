// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// maskFlags are the flags of "mask".
type maskFlags struct {
	rules, config  string
	profile, names string
	format, report string
	scanText       bool
}

func (a *app) maskCommand() *cobra.Command {
	var f maskFlags
	cmd := a.command("mask", "Mask standard input as a gateway would", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.mask(ctx, f) })
	cmd.Long = "Mask standard input by a profile or a resource's masking rules, and write the result to standard output, to see\n" +
		"what rules do before they are in force. Input that is not of the format is masked whole, and the exit code is 1.\n" +
		"The report has a line for each finding in a text and a line for each kind of mask; it holds no value."
	fl := cmd.Flags()
	fl.StringVar(&f.rules, "rules", "", "file of masking rules (docs/reference/masking.md); without it those of --profile and --names")
	fl.StringVar(&f.config, "config", "", "the gateway's configuration, where the rules have keys in its vault")
	fl.StringVar(&f.profile, "profile", "", "safe-harbor, limited-data-set or need-to-know (default need-to-know, or what the rules say)")
	fl.StringVar(&f.names, "names", "", "off, listed or safe-list (default safe-list, or what the rules say)")
	fl.StringVar(&f.format, "format", "auto", "auto, text, json, ndjson, fhir, hl7, x12 or csv")
	fl.StringVar(&f.report, "report", "", "write findings to this file as JSON lines")
	fl.BoolVar(&f.scanText, "scan-text", false, "scan free text inside fhir, hl7 and x12 instead of masking it whole")
	return cmd
}

// mask is the command.
func (a *app) mask(ctx context.Context, f maskFlags) (err error) {
	set, err := a.maskRules(ctx, f)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(a.Stdin, payload.HeadLen)
	kind, err := kindOf(in, f.format)
	if err != nil {
		return err
	}
	masks, err := payload.New(set, payload.Options{Guess: catalog.LabelOf, ScanText: f.scanText})
	if err != nil {
		return err
	}
	var w text.Work
	report := func() error { return nil }
	if f.report != "" {
		file, err := os.OpenFile(f.report, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return sallyport.E(sallyport.Unavailable, "mask", "the report cannot be written").Because(err)
		}
		report = reportTo(file, set.Text().Scanner, &w)
	}
	out := bufio.NewWriterSize(a.Stdout, 64<<10)
	m := masks.Writer(kind, &w, out)
	_, err = io.Copy(m, in)
	if err == nil {
		err = m.Flush()
	}
	err = errors.Join(err, out.Flush(), report())
	if err == nil && m.Failed() > 0 {
		return sallyport.E(sallyport.Invalid, "mask", fmt.Sprintf("%d part(s) of the input are not %s and were masked whole", m.Failed(), kind)).
			WithHint("name the format with --format, or correct the input")
	}
	return err
}

// kindOf returns the kind that a flag names, or finds it out.
func kindOf(in *bufio.Reader, format string) (payload.Kind, error) {
	if format != "auto" {
		kind, ok := payload.ParseKind(format)
		if !ok {
			return "", usage("--format: %q is none of auto, %s", format, strings.Join(kindNames(), ", "))
		}
		return kind, nil
	}
	head, err := in.Peek(payload.HeadLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", sallyport.E(sallyport.Unavailable, "mask", "standard input cannot be read").Because(err)
	}
	return payload.Sniff(head), nil
}

func kindNames() []string {
	var out []string
	for _, k := range payload.Kinds() {
		out = append(out, string(k))
	}
	return out
}

// maskRules compiles the rules that the flags name.
func (a *app) maskRules(ctx context.Context, f maskFlags) (*rules.Set, error) {
	src := server.Sources{Lexicon: lexicon.Load, Log: slog.New(slog.DiscardHandler), Lease: func(_ context.Context, ref vault.Ref) (*vault.Lease, error) {
		return vault.LeaseOutside(ref, a.Getenv)
	}}
	if f.config != "" {
		v, err := a.openVault(f.config)
		if err != nil {
			return nil, err
		}
		src.Lease = v.Lease
	}
	file := rules.Default()
	if f.rules != "" {
		var err error
		if file, err = server.ReadMaskingRules(f.rules); err != nil {
			return nil, err
		}
	}
	if f.profile != "" {
		file.Profile = f.profile
	}
	if f.names != "" {
		file.Names = f.names
	}
	return src.Compile(ctx, f.rules, file, a.Now)
}

// finding is a line of the report about one finding in a text. Start and End
// count bytes: of the input, or of the value that Locus names.
type finding struct {
	Finding  string `json:"finding"` // the entity
	Rule     string `json:"rule"`
	Operator string `json:"operator"`
	Locus    string `json:"locus,omitempty"`
	Start    int64  `json:"start"`
	End      int64  `json:"end"`
}

// tally is a line of the report about one kind of mask.
type tally struct {
	Masked   string `json:"masked"` // the entity
	Rule     string `json:"rule"`
	Operator string `json:"operator"`
	Locus    string `json:"locus,omitempty"`
	Count    uint64 `json:"count"`
}

// reportTo writes findings as they come, and what was masked when the returned
// function is called, which closes the file.
func reportTo(file io.WriteCloser, s *scan.Scanner, w *text.Work) func() error {
	buf := bufio.NewWriter(file)
	enc := json.NewEncoder(buf)
	var errs error
	w.Spans = func(_ []byte, sp scan.Span, op operator.Kind) {
		errs = errors.Join(errs, enc.Encode(finding{
			Finding: sp.Entity.String(), Rule: s.Rule(sp.Rule), Operator: op.String(), Locus: w.Locus,
			Start: w.Base + int64(sp.Start), End: w.Base + int64(sp.End),
		}))
	}
	return func() error {
		for _, c := range w.Tally.Take() {
			errs = errors.Join(errs, enc.Encode(tally{Masked: c.Entity.String(), Rule: c.Rule, Operator: c.Operator.String(), Locus: c.Locus, Count: c.N}))
		}
		return errors.Join(errs, buf.Flush(), file.Close())
	}
}

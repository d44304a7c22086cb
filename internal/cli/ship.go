// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ship/verify"
)

func (a *app) shipCommand() *cobra.Command {
	status := a.client(a.command("status", "Show how the receivers of events keep up with the ledger", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.shipStatus(ctx) }))
	var v shipped
	check := a.command("verify FILE...", "Check shipped events, offline", cobra.MinimumNArgs(1),
		func(_ context.Context, args []string) error { return a.shipVerify(args, v) })
	check.Long = "Check events that were shipped, offline: files of JSON lines, or - for standard input, in any order. It says whether\n" +
		"an event is missing between the first and the last, and whether each follows the one before it. With --bundle or\n" +
		"--checkpoint it says whether they are the events of the log: the hashes are compared with the bundle's leaves, and the\n" +
		"root is computed again when every event from 0 on is there. Exit code 5 when something is wrong."
	f := check.Flags()
	f.StringVar(&v.bundle, "bundle", "", "evidence bundle to compare with")
	f.StringVar(&v.checkpoint, "checkpoint", "", "file with a signed checkpoint to compare with; needs --key")
	f.StringArrayVar(&v.keys, "key", nil, "verifier key that you trust, or @FILE; may be given several times")
	f.BoolVar(&v.leaves, "leaves-only", false, "check indexes and hashes only, for stores that add to events or change them")
	return a.group("ship", "Follow and check what is sent to other systems", status, check)
}

// shipStatusEntry is a destination in the answer of GET /v1/shipping.
type shipStatusEntry struct {
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	Next        uint64    `json:"next"`
	Behind      uint64    `json:"behind"`
	Rejected    uint64    `json:"rejected"`
	LastSuccess time.Time `json:"last_success"`
	LastError   string    `json:"last_error"`
}

func (a *app) shipStatus(ctx context.Context) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var out struct {
		Shipping []shipStatusEntry `json:"shipping"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/shipping", nil, nil, &out)
	if err != nil {
		return err
	}
	t := table{head: []string{"NAME", "TYPE", "STATE", "NEXT", "BEHIND", "REJECTED", "LAST SUCCESS", "LAST ERROR"}, empty: "nothing is shipped"}
	for _, d := range out.Shipping {
		t.rows = append(t.rows, []string{
			d.Name, d.Type, d.State, fmt.Sprint(d.Next), fmt.Sprint(d.Behind), fmt.Sprint(d.Rejected), stamp(d.LastSuccess), d.LastError,
		})
	}
	return a.show(raw, t)
}

// shipped says what shipped events are compared with.
type shipped struct {
	bundle, checkpoint string
	keys               []string
	leaves             bool
}

func (a *app) shipVerify(files []string, v shipped) error {
	format, err := a.format()
	switch {
	case err != nil:
		return err
	case format == "csv":
		return usage("a report is a table or JSON")
	case v.bundle != "" && v.checkpoint != "":
		return usage("give --bundle or --checkpoint: a bundle has its checkpoint in it")
	}
	if v.keys, err = trusted(v.keys); err != nil {
		return err
	}
	c := verify.New(verify.Options{LeavesOnly: v.leaves, Version: a.Version})
	if v.bundle != "" {
		if err := compareBundle(c, v.bundle, v.keys); err != nil {
			return err
		}
		if len(v.keys) == 0 {
			fmt.Fprintln(a.Stderr, "the keys were taken from the bundle itself: that shows that it is whole, not who signed it; give --key")
		}
	}
	if v.checkpoint != "" {
		if err := compareCheckpoint(c, v.checkpoint, v.keys); err != nil {
			return err
		}
	}
	for _, name := range files {
		if err := a.addShipped(c, name); err != nil {
			return err
		}
	}
	r := c.Report()
	if format == "json" {
		err = writeJSON(a.Stdout, struct {
			OK bool `json:"ok"`
			*verify.Report
		}{r.OK(), r})
	} else {
		_, err = io.WriteString(a.Stdout, cleanLines(shippedText(r)))
	}
	if err != nil {
		return err
	}
	if !r.OK() {
		return sallyport.E(sallyport.Integrity, "ship verify", fmt.Sprintf("the events do not verify: %d faults", len(r.Faults)+r.More)).
			WithHint("keep them as they are; they are evidence of their own")
	}
	return nil
}

func (a *app) addShipped(c *verify.Checker, name string) error {
	if name == "-" {
		return c.Add("standard input", a.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return sallyport.E(sallyport.Invalid, "ship verify", "a file of events cannot be opened").Because(err)
	}
	if err := errors.Join(c.Add(name, f), f.Close()); err != nil {
		return sallyport.E(sallyport.Invalid, "ship verify", "a file of events cannot be read").Because(err)
	}
	return nil
}

// compareBundle verifies a bundle and gives it to the checker.
func compareBundle(c *verify.Checker, name string, keys []string) error {
	f, err := os.Open(name)
	if err != nil {
		return sallyport.E(sallyport.Invalid, "ship verify", "the bundle cannot be opened").Because(err)
	}
	defer func() { _ = f.Close() }() // read only: closing loses nothing
	info, err := f.Stat()
	if err != nil {
		return sallyport.E(sallyport.Invalid, "ship verify", "the bundle cannot be opened").Because(err)
	}
	opt := evidence.Options{Keys: keys}
	b, report, err := evidence.OpenBundle(f, info.Size(), opt)
	if report != nil && !report.OK() {
		return sallyport.E(sallyport.Integrity, "ship verify", fmt.Sprintf("the bundle itself does not verify: %d faults", len(report.Faults))).
			WithHint("see: sallyport evidence verify " + name)
	}
	if err != nil {
		return sallyport.E(sallyport.Invalid, "ship verify", "the bundle cannot be checked").Because(err)
	}
	leaves, err := b.Leaves()
	if err != nil {
		return err
	}
	c.Bundle(b.Checkpoint, leaves)
	return nil
}

// compareCheckpoint opens a signed checkpoint and gives it to the checker.
func compareCheckpoint(c *verify.Checker, name string, keys []string) error {
	if len(keys) == 0 {
		return usage("--checkpoint needs the key that signed it: --key")
	}
	var known []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return usage("--key: %q is no verifier key", k)
		}
		known = append(known, v)
	}
	b, err := readAll(name)
	if err != nil {
		return err
	}
	cp, err := evidence.OpenCheckpoint(b, note.VerifierList(known...))
	if err != nil {
		return sallyport.E(sallyport.Integrity, "ship verify", "the checkpoint is not signed by a key that you trust").Because(err)
	}
	c.Checkpoint(cp)
	return nil
}

// shippedText is a report for people.
func shippedText(r *verify.Report) string {
	var b strings.Builder
	for _, l := range r.Logs {
		fmt.Fprintf(&b, "log         %s\nevents      %d, from %d to %d\nduplicates  %d\nmissing     %d\n", l.Origin, l.Events, l.First, l.Last, l.Duplicates, l.Missing)
		if l.Compared > 0 {
			fmt.Fprintf(&b, "compared    %d events with leaves of the bundle\n", l.Compared)
		}
		if l.Root != "" {
			fmt.Fprintf(&b, "root        %s, computed from the events\n", l.Root)
		}
	}
	for _, n := range r.Notices {
		fmt.Fprintf(&b, "note        %s\n", n)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "FAULT       %s\n", f)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "FAULT       and %d more\n", r.More)
	}
	if r.OK() {
		b.WriteString("ok          no event is missing, and each follows the one before it\n")
	}
	return b.String()
}

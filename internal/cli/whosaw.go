// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// whoSaw asks in which statements a patient is.
type whoSaw struct {
	patient, namespace, resource, from, to, purpose string

	bundle   string
	keyFiles []string
	keys     []string
}

func (a *app) whoSawCommand() *cobra.Command {
	var x whoSaw
	cmd := a.command("who-saw", "List the statements whose answers hold rows of a patient", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.whoSaw(ctx, &x) })
	cmd.Long = "List the statements whose answers hold rows of a patient, and apart from them those that may concern any patient\n" +
		"of the tables that they name, because their answers did not show whose rows they were. The question goes on record\n" +
		"with its purpose; the patient only blinded.\n\n" +
		"With --bundle the answer comes from an evidence bundle alone, offline, once the bundle has been verified. That\n" +
		"needs the privacy key, and goes on no record."
	f := cmd.Flags()
	f.StringVar(&x.patient, "patient", "", "the patient's key as the tables hold it, @FILE, or - to read it from standard input")
	f.StringVar(&x.namespace, "namespace", "", "the namespace of the patients' keys, where there are several")
	f.StringVar(&x.resource, "resource", "", "on this resource")
	f.StringVar(&x.from, "from", "", "statements from then on: a date, a time, or how long ago (24h)")
	f.StringVar(&x.to, "to", "", "statements before then")
	f.StringVar(&x.purpose, "purpose", "", "what it is for; it goes on record")
	f.StringVar(&x.bundle, "bundle", "", "answer from this evidence bundle, offline")
	f.StringArrayVar(&x.keyFiles, "key-file", nil, "with --bundle: file with a version of the privacy key; may be given several times")
	f.StringArrayVar(&x.keys, "key", nil, "with --bundle: verifier key that you trust, or @FILE; may be given several times")
	return cmd
}

func (a *app) whoSaw(ctx context.Context, x *whoSaw) error {
	if _, err := a.format(); err != nil {
		return err
	}
	patient, err := a.patient(x.patient)
	if err != nil {
		return err
	}
	var from, to time.Time
	for name, v := range map[string]struct {
		text string
		into *time.Time
	}{"from": {x.from, &from}, "to": {x.to, &to}} {
		if *v.into, err = when(a.Now(), v.text); err != nil {
			return usage("--%s: %s", name, err)
		}
	}
	if x.bundle != "" {
		return a.whoSawOffline(x, patient, from, to)
	}
	switch {
	case len(x.keyFiles) > 0 || len(x.keys) > 0:
		return usage("--key-file and --key go with --bundle: the gateway has keys of its own")
	case strings.TrimSpace(x.purpose) == "":
		return usage("say what you ask for with --purpose; it goes on record")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	body := map[string]string{"patient": patient, "purpose": x.purpose}
	for name, text := range map[string]string{"namespace": x.namespace, "resource": x.resource} {
		if text != "" {
			body[name] = text
		}
	}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			body[name] = t.Format(time.RFC3339Nano)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	var found evidence.Sightings
	raw, err := c.ask(ctx, http.MethodPost, "/v1/audit/who-saw", nil, body, &found)
	if err != nil {
		return err
	}
	return a.showSightings(raw, found)
}

// patient returns the key that was asked for. On the command line it can be seen by
// others of the machine, so it can be had from a file or from standard input.
func (a *app) patient(given string) (string, error) {
	name, fromFile := strings.CutPrefix(given, "@")
	switch {
	case given == "":
		return "", usage("name the patient by its key with --patient")
	case given == "-":
		b, err := io.ReadAll(io.LimitReader(a.Stdin, maxSmall))
		if err != nil {
			return "", sallyport.E(sallyport.Invalid, "who-saw", "standard input cannot be read").Because(err)
		}
		given = strings.TrimRight(string(b), "\r\n")
	case fromFile:
		b, err := readAll(name)
		if err != nil {
			return "", err
		}
		given = strings.TrimRight(string(b), "\r\n")
	}
	if strings.TrimSpace(given) == "" {
		return "", usage("the patient's key is empty")
	}
	return given, nil
}

// whoSawOffline answers from a bundle alone.
func (a *app) whoSawOffline(x *whoSaw, patient string, from, to time.Time) error {
	switch {
	case len(x.keyFiles) == 0:
		return usage("name the privacy key's file with --key-file: without it nobody can tell who a patient is")
	case x.namespace == "":
		return usage("name the namespace of the patients' keys with --namespace; by default it is the resource's name")
	}
	s := &evidence.Search{Namespace: x.namespace, Resource: sallyport.ResourceID(x.resource), From: from, To: to}
	for _, name := range x.keyFiles {
		b, err := readAll(name)
		if err != nil {
			return err
		}
		secret := bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")) // as the vault reads it
		s.Keys = append(s.Keys, evidence.NewSearchKey(secret, x.namespace, patient))
		clear(b)
	}
	keys, err := trusted(x.keys)
	if err != nil {
		return err
	}
	f, err := os.Open(x.bundle)
	if err != nil {
		return sallyport.E(sallyport.Invalid, "who-saw", "the bundle cannot be opened").Because(err)
	}
	info, err := f.Stat()
	var report *evidence.Report
	if err == nil {
		var b *evidence.Bundle
		if b, report, err = evidence.OpenBundle(f, info.Size(), evidence.Options{Keys: keys}); err == nil {
			err = b.Each(s.Leaf)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if !report.Trusted {
		fmt.Fprintln(a.Stderr, "note: the bundle was verified with the keys in it; give the one that you trust with --key")
	}
	if !report.WholeLog {
		fmt.Fprintln(a.Stderr, "note: the bundle is a selection of the ledger; nothing is said of what is not in it")
	}
	found := s.Result()
	raw, err := json.Marshal(found)
	if err != nil {
		return sallyport.E(sallyport.Internal, "who-saw", "the result is no JSON").Because(err)
	}
	return a.showSightings(raw, found)
}

// showSightings shows both lists as one table, and below it how sure it is.
func (a *app) showSightings(raw json.RawMessage, s evidence.Sightings) error {
	t := table{head: []string{
		"PATIENT", "TIME", "PRINCIPAL", "ON BEHALF OF", "RESOURCE", "SESSION", "STMT", "EFFECTS", "ROWS", "OUTPUTS", "STATUS", "STATEMENT", "WHY UNKNOWN",
	}}
	add := func(what string, x evidence.Sighting) {
		var behalf []string
		for _, b := range x.OnBehalf {
			behalf = append(behalf, b.ID)
		}
		why := ""
		if x.Reason != "" {
			why = x.Reason + ": " + strings.Join(x.Relations, " ")
		}
		t.rows = append(t.rows, []string{
			what, x.At.UTC().Format(time.RFC3339), string(x.Principal), strings.Join(behalf, " < "), string(x.Resource), string(x.Session),
			fmt.Sprint(x.Stmt), strings.Join(x.Effects, " "), fmt.Sprint(x.Rows), x.Shown, x.Status, x.Readable, why,
		})
	}
	for _, x := range s.Found {
		add("in it", x)
	}
	for _, x := range s.Unknown {
		add("any", x)
	}
	t.empty = "no statement"
	if err := a.show(raw, t); err != nil {
		return err
	}
	if format, err := a.format(); err != nil || format == "json" {
		return err
	}
	fmt.Fprintf(a.Stderr, "%d statements found among %d whose patients are on record; %.2g false ones are to be expected among all of these\n",
		s.FoundCount, s.Searched, s.ExpectedFalse)
	fmt.Fprintf(a.Stderr, "%d entries (any) may concern any patient of the tables that they name\n", s.UnknownCount)
	if n := s.FoundCount + s.UnknownCount - uint64(len(t.rows)); n > 0 {
		fmt.Fprintf(a.Stderr, "%d more are not listed; narrow the question with --from and --to\n", n)
	}
	for _, u := range s.Unsearched {
		what := "had no key of patients"
		if u.Namespace != "" {
			what = "had keys of patients of the namespace " + clean(u.Namespace)
		}
		fmt.Fprintf(a.Stderr, "%d sessions on %s %s: nothing is said of these\n", u.Sessions, clean(string(u.Resource)), what)
	}
	return nil
}

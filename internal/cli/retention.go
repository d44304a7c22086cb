// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/evidence"
)

// legalHold is a legal hold as the API tells it.
type legalHold struct {
	ID         string              `json:"id"`
	State      string              `json:"state"`
	At         time.Time           `json:"at"`
	Filter     evidence.HoldFilter `json:"filter"`
	Case       string              `json:"case"`
	Reason     string              `json:"reason"`
	By         string              `json:"by"`
	Released   time.Time           `json:"released"`
	ReleasedBy string              `json:"released_by"`
	Why        string              `json:"released_reason"`
}

func (a *app) retentionCommand() *cobra.Command {
	status := a.command("status", "Show what is kept, what is due and what is held", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.retentionStatus(ctx) })
	var dry bool
	sweep := a.command("sweep", "Destroy the keys of what has expired now", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.retentionSweep(ctx, dry) })
	sweep.Flags().BoolVar(&dry, "dry-run", false, "only list what would be destroyed")
	var reason string
	erase := a.command("erase SESSION", "Destroy the keys of one session before their time", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.retentionErase(ctx, args[0], reason) })
	erase.Long = "Destroy the keys of one session: its exact texts and its recording can be read by nobody any more, in no copy of\n" +
		"the ledger and in no bundle. What the ledger says of the session stays, with its proofs. It is refused under a legal hold."
	erase.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return a.client(a.group("retention", "Keep, hold, erase and prune what sessions left behind",
		status, sweep, erase, a.holdCommand(), a.releaseCommand(), a.holdsCommand(), a.pruneCommand()))
}

func (a *app) retentionStatus(ctx context.Context) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var st struct {
		Classes []struct {
			Name   string    `json:"retention"`
			Kept   int       `json:"kept"`
			Due    int       `json:"due"`
			Held   int       `json:"held"`
			Oldest time.Time `json:"oldest"`
			Next   time.Time `json:"next_end"`
		} `json:"classes"`
		Doomed  int    `json:"doomed"`
		Damaged int    `json:"damaged"`
		Holds   int    `json:"holds"`
		Minimum uint64 `json:"minimum"`
		Stopped string `json:"stopped"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/retention", nil, nil, &st)
	if err != nil {
		return err
	}
	t := table{head: []string{"CLASS", "SESSIONS", "DUE", "HELD", "OLDEST", "NEXT END"}, empty: "nothing is kept"}
	for _, k := range st.Classes {
		t.rows = append(t.rows, []string{k.Name, fmt.Sprint(k.Kept), fmt.Sprint(k.Due), fmt.Sprint(k.Held), stamp(k.Oldest), stamp(k.Next)})
	}
	if err := a.show(raw, t); err != nil {
		return err
	}
	if st.Doomed > 0 || st.Damaged > 0 {
		fmt.Fprintf(a.Stderr, "%d destructions are not complete, %d keys cannot be read; the operator must look at the gateway's log\n", st.Doomed, st.Damaged)
	}
	if st.Stopped != "" {
		fmt.Fprintf(a.Stderr, "nothing is destroyed until an administrator runs `sallyport retention sweep`: %s\n", clean(st.Stopped))
	}
	fmt.Fprintf(a.Stderr, "legal holds in force: %d; the ledger is kept from event %d on\n", st.Holds, st.Minimum)
	return nil
}

func (a *app) retentionSweep(ctx context.Context, dry bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var r struct {
		Destroyed, Held, Open, Failed int
		Due                           []struct {
			Session string    `json:"session"`
			Class   string    `json:"retention"`
			Expires time.Time `json:"retained_until"`
			Held    string    `json:"held"`
		}
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	raw, err := c.ask(ctx, http.MethodPost, "/v1/retention/sweep", nil, map[string]bool{"dry_run": dry}, &r)
	if err != nil {
		return err
	}
	t := table{head: []string{"DESTROYED", "HELD", "OPEN", "FAILED"}, rows: [][]string{{fmt.Sprint(r.Destroyed), fmt.Sprint(r.Held), fmt.Sprint(r.Open), fmt.Sprint(r.Failed)}}}
	if dry {
		t = table{head: []string{"SESSION", "CLASS", "KEPT UNTIL", "HELD BY"}, empty: "nothing has expired"}
		for _, d := range r.Due {
			t.rows = append(t.rows, []string{d.Session, d.Class, stamp(d.Expires), d.Held})
		}
	}
	return a.show(raw, t)
}

func (a *app) retentionErase(ctx context.Context, session, reason string) error {
	if reason == "" {
		return usage("say why with --reason; it goes on record")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var e struct {
		Event    uint64    `json:"event"`
		At       time.Time `json:"at"`
		Key      string    `json:"key"`
		Payloads int       `json:"payloads"`
		Blobs    int       `json:"blobs"`
	}
	raw, err := c.ask(ctx, http.MethodPost, "/v1/sessions/"+url.PathEscape(session)+"/erase", nil, map[string]string{"reason": reason}, &e)
	if err != nil {
		return err
	}
	return a.show(raw, table{
		head: []string{"SESSION", "ERASED", "EVENT", "KEY", "PAYLOADS", "BLOBS"},
		rows: [][]string{{session, stamp(e.At), fmt.Sprint(e.Event), e.Key, fmt.Sprint(e.Payloads), fmt.Sprint(e.Blobs)}},
	})
}

func (a *app) holdCommand() *cobra.Command {
	in := map[string]*string{}
	cmd := a.command("hold", "Put a legal hold in force", cobra.NoArgs, func(ctx context.Context, _ []string) error { return a.setHold(ctx, in) })
	cmd.Long = "Put a legal hold in force: nothing that it covers is destroyed or pruned until it is released. It covers sessions for\n" +
		"which everything that is given holds, also those that begin later."
	for name, help := range map[string]string{
		"session": "this session", "principal": "sessions of this principal", "resource": "sessions on this resource", "grant": "sessions under this grant",
		"from": "sessions not ended before: a date, a time, or how long ago (24h)", "to": "sessions not begun after",
		"case": "reference of the matter, for the record", "reason": "why, for the record",
	} {
		in[name] = cmd.Flags().String(name, "", help)
	}
	return cmd
}

func (a *app) setHold(ctx context.Context, in map[string]*string) error {
	body := map[string]string{}
	for name, value := range in {
		if *value != "" {
			body[name] = *value
		}
	}
	if body["case"] == "" || body["reason"] == "" {
		return usage("give the reference of the matter with --case and say why with --reason; both go on record")
	}
	if len(body) == 2 {
		return usage("say what it covers: --session, --principal, --resource, --grant, --from, --to")
	}
	for _, name := range []string{"from", "to"} {
		t, err := when(a.Now(), body[name])
		if err != nil {
			return usage("--%s: %s", name, err)
		}
		if !t.IsZero() {
			body[name] = t.Format(time.RFC3339)
		}
	}
	return a.changeHold(ctx, "/v1/retention/holds", body)
}

func (a *app) releaseCommand() *cobra.Command {
	var reason string
	cmd := a.command("release HOLD", "Release a legal hold", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		if reason == "" {
			return usage("say why with --reason; it goes on record")
		}
		return a.changeHold(ctx, "/v1/retention/holds/"+url.PathEscape(args[0])+"/release", map[string]string{"reason": reason})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

func (a *app) changeHold(ctx context.Context, path string, body map[string]string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var h legalHold
	raw, err := c.ask(ctx, http.MethodPost, path, nil, body, &h)
	if err != nil {
		return err
	}
	return a.show(raw, holdTable([]legalHold{h}))
}

func (a *app) holdsCommand() *cobra.Command {
	var all bool
	cmd := a.command("holds", "List legal holds", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		defer c.close()
		var out struct {
			Holds []legalHold `json:"holds"`
		}
		raw, err := c.ask(ctx, http.MethodGet, "/v1/retention/holds", url.Values{"all": {strconv.FormatBool(all)}}, nil, &out)
		if err != nil {
			return err
		}
		return a.show(raw, holdTable(out.Holds))
	})
	cmd.Flags().BoolVar(&all, "all", false, "those that were released too")
	return cmd
}

func holdTable(holds []legalHold) table {
	t := table{head: []string{"ID", "STATE", "COVERS", "CASE", "REASON", "BY", "SINCE", "RELEASED", "WHY"}, empty: "no legal hold is in force"}
	for _, h := range holds {
		why := h.Why
		if h.ReleasedBy != "" {
			why = h.ReleasedBy + ": " + why
		}
		t.rows = append(t.rows, []string{h.ID, h.State, covering(h.Filter), h.Case, h.Reason, h.By, stamp(h.At), stamp(h.Released), why})
	}
	return t
}

// covering renders what a hold covers.
func covering(f evidence.HoldFilter) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"session", string(f.Session)},
		{"principal", string(f.Principal)},
		{"resource", string(f.Resource)},
		{"grant", string(f.Grant)},
		{"from", stamp(f.From)},
		{"to", stamp(f.To)},
	} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}
	return strings.Join(parts, " ")
}

func (a *app) pruneCommand() *cobra.Command {
	var before, reason string
	var dry bool
	cmd := a.command("prune", "Give up the oldest events of the ledger", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.retentionPrune(ctx, before, reason, dry) })
	cmd.Long = "Give up the events of the ledger before a date or an index (C2SP tlog-tiles: the minimum index). Only what has been\n" +
		"kept for its time and what no legal hold covers can be given up. Proofs of the rest stay."
	f := cmd.Flags()
	f.StringVar(&before, "before", "", "a date, a time, how long ago (52560h), or the index of an event")
	f.StringVar(&reason, "reason", "", "why, for the record")
	f.BoolVar(&dry, "dry-run", false, "only say how far it could go")
	return cmd
}

func (a *app) retentionPrune(ctx context.Context, before, reason string, dry bool) error {
	switch {
	case before == "":
		return usage("say how far with --before")
	case reason == "" && !dry:
		return usage("say why with --reason; it goes on record")
	}
	if _, err := strconv.ParseUint(before, 10, 63); err != nil {
		t, err := when(a.Now(), before)
		if err != nil {
			return usage("--before: %s", err)
		}
		before = t.Format(time.RFC3339)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var p struct {
		Minimum uint64 `json:"minimum"`
		Bound   uint64 `json:"bound"`
		Why     string `json:"why"`
		Done    bool   `json:"done"`
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	raw, err := c.ask(ctx, http.MethodPost, "/v1/retention/prune", nil, map[string]any{"before": before, "reason": reason, "dry_run": dry}, &p)
	if err != nil {
		return err
	}
	return a.show(raw, table{
		head: []string{"KEPT FROM", "COULD BE", "BECAUSE", "PRUNED"},
		rows: [][]string{{fmt.Sprint(p.Minimum), fmt.Sprint(p.Bound), p.Why, strconv.FormatBool(p.Done)}},
	})
}

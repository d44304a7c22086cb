// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// machine is a machine identity as the inventory tells it.
type machine struct {
	Principal    string   `json:"principal"`
	Kind         string   `json:"kind"`
	Owner        string   `json:"owner"`
	Standing     []string `json:"standing"`
	JustInTime   []string `json:"just_in_time"`
	LastUse      string   `json:"last_use"`
	LastReview   string   `json:"last_review"`
	NextReview   string   `json:"next_review"`
	Overdue      bool     `json:"overdue"`
	UnknownOwner bool     `json:"unknown_owner"`
}

func (a *app) identityCommand() *cobra.Command {
	var asOf string
	lst := a.command("list", "List machine identities: owner, access, last use, review", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.identityList(ctx, asOf) })
	lst.Flags().StringVar(&asOf, "as-of", "", "the state at the end of a day (2026-01-31, UTC) or at a time")
	var note string
	review := a.command("review PRINCIPAL", "Attest that you reviewed the access of a machine identity", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			return a.attest(ctx, "/v1/identities/review", map[string]string{"principal": args[0], "note": note})
		})
	review.Flags().StringVar(&note, "note", "", "what you found; it goes on record")
	return a.client(a.group("identity", "List machine identities, review their access, make keys for them", lst, review, a.keyCommand()))
}

func (a *app) identityList(ctx context.Context, asOf string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{}
	if asOf != "" {
		q.Set("as_of", asOf)
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	var out struct {
		Identities []machine `json:"identities"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/identities", q, nil, &out)
	if err != nil {
		return err
	}
	t := table{
		head:  []string{"PRINCIPAL", "KIND", "OWNER", "STANDING", "JUST IN TIME", "LAST USE", "LAST REVIEW", "NEXT", "STATE"},
		empty: "there is no machine identity on record",
	}
	for _, i := range out.Identities {
		var state []string
		if i.UnknownOwner {
			state = append(state, "unknown owner")
		}
		if i.Overdue {
			state = append(state, "review overdue")
		}
		t.rows = append(t.rows, []string{
			i.Principal, i.Kind, i.Owner, list(i.Standing), list(i.JustInTime), second(i.LastUse), second(i.LastReview), second(i.NextReview), list(state),
		})
	}
	return a.show(raw, t)
}

// second cuts a time of a table to the second.
func second(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return stamp(t)
}

// attest puts a review on record.
func (a *app) attest(ctx context.Context, path string, body map[string]string) error {
	if strings.TrimSpace(body["note"]) == "" {
		return usage("say what you found with --note; it goes on record")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var out struct {
		Kind      string    `json:"kind"`
		By        string    `json:"by"`
		Principal string    `json:"principal"`
		From      time.Time `json:"from"`
		To        time.Time `json:"to"`
		Note      string    `json:"note"`
	}
	raw, err := c.ask(ctx, http.MethodPost, path, nil, body, &out)
	if err != nil {
		return err
	}
	return a.show(raw, table{
		head: []string{"REVIEW OF", "BY", "PRINCIPAL", "FROM", "TO", "NOTE"},
		rows: [][]string{{out.Kind, out.By, out.Principal, stamp(out.From), stamp(out.To), out.Note}},
	})
}

// periodFlags adds the flags of a time span.
func periodFlags(cmd *cobra.Command, from, to *string) {
	cmd.Flags().StringVar(from, "from", "", "begin of the period: a date, a time, or how long ago (24h)")
	cmd.Flags().StringVar(to, "to", "", "end of it")
}

// period reads them into the form that the API takes.
func (a *app) period(from, to string) (map[string]string, error) {
	out := map[string]string{}
	for name, text := range map[string]string{"from": from, "to": to} {
		t, err := when(a.Now(), text)
		if err != nil {
			return nil, usage("--%s: %s", name, err)
		}
		if !t.IsZero() {
			out[name] = t.Format(time.RFC3339)
		}
	}
	return out, nil
}

// reviewCommand attests that activity was reviewed.
func (a *app) reviewCommand() *cobra.Command {
	var from, to, note string
	cmd := a.command("review", "Attest that you reviewed the activity of a period", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		body, err := a.period(from, to)
		if err != nil {
			return err
		}
		if body["to"] == "" {
			body["to"] = a.Now().UTC().Add(-time.Second).Format(time.RFC3339)
		}
		body["note"] = note
		return a.attest(ctx, "/v1/audit/reviews", body)
	})
	periodFlags(cmd, &from, &to)
	cmd.Flags().StringVar(&note, "note", "", "what you found; it goes on record")
	return cmd
}

// completenessCommand asks whether the record of a period is whole.
func (a *app) completenessCommand() *cobra.Command {
	var from, to string
	cmd := a.command("completeness", "Say of a period: whole, or exactly where not", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.auditCompleteness(ctx, from, to) })
	cmd.Long = "Say whether the record of a period is whole, or exactly where it is not: silences, missing starts and seals, sessions that the\n" +
		"gateway did not end, statements that may have executed. The exit code is 5 when it is not whole."
	periodFlags(cmd, &from, &to)
	return cmd
}

// lack is a place where the record is not whole.
type lack struct {
	Kind      string    `json:"kind"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Epoch     uint64    `json:"epoch"`
	Session   string    `json:"session"`
	Statement uint64    `json:"statement"`
	What      string    `json:"what"`
}

func (l lack) row(word string) []string {
	where := l.Session
	if l.Statement > 0 {
		where += fmt.Sprintf("/%d", l.Statement)
	}
	return []string{word, l.Kind, stamp(l.From), stamp(l.To), where, l.What}
}

func (a *app) auditCompleteness(ctx context.Context, from, to string) error {
	span, err := a.period(from, to)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{}
	for k, v := range span {
		q.Set(k, v)
	}
	var out struct {
		Whole   bool      `json:"whole"`
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		Lacks   []lack    `json:"lacks"`
		Running []lack    `json:"running"`
		Epochs  []struct {
			Epoch uint64    `json:"epoch"`
			From  time.Time `json:"from"`
			To    time.Time `json:"to"`
			What  string    `json:"what"`
		} `json:"epochs"`
		Omitted int `json:"omitted"`
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	raw, err := c.ask(ctx, http.MethodGet, "/v1/audit/completeness", q, nil, &out)
	if err != nil {
		return err
	}
	t := table{head: []string{"RECORD", "KIND", "FROM", "TO", "SESSION", "WHAT"}}
	verdict := "whole"
	if !out.Whole {
		verdict = "not whole"
	}
	t.rows = append(t.rows, []string{verdict, "period", stamp(out.From), stamp(out.To), "", fmt.Sprintf("%d lacks, %d running at its end", len(out.Lacks), len(out.Running))})
	for _, e := range out.Epochs {
		t.rows = append(t.rows, []string{"", fmt.Sprintf("epoch %d", e.Epoch), stamp(e.From), stamp(e.To), "", e.What})
	}
	for _, l := range out.Lacks {
		t.rows = append(t.rows, l.row("lacks"))
	}
	for _, l := range out.Running {
		t.rows = append(t.rows, l.row("running"))
	}
	if err := a.show(raw, t); err != nil {
		return err
	}
	if !out.Whole {
		return sallyport.E(sallyport.Integrity, "audit", fmt.Sprintf("the record of the period is not whole in %d places", len(out.Lacks)+out.Omitted)).
			WithHint("each is listed; a statement that may have executed can be looked up in the target")
	}
	return nil
}

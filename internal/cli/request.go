// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// request is a request as the API tells it (docs/reference/api.md).
type request struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Principal string    `json:"principal"`
	Resource  string    `json:"resource"`
	Role      string    `json:"role"`
	Approvers string    `json:"approvers"`
	Reason    string    `json:"reason"`
	WindowMS  int64     `json:"window_ms"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Decision  *decision `json:"decision"`
	Hold      *hold     `json:"hold"`
	Grant     *window   `json:"grant"`
}

type decision struct {
	Approver  string    `json:"approver"`
	Decision  string    `json:"decision"`
	Rationale string    `json:"rationale"`
	At        time.Time `json:"at"`
}

type hold struct {
	Session  string   `json:"session"`
	Stmt     uint64   `json:"stmt"`
	Readable string   `json:"readable"`
	Objects  []string `json:"objects"`
	Effects  []string `json:"effects"`
	Rules    []string `json:"rules"`
	// Estimate is what the target says that the statement would do.
	Estimate *sallyport.Estimate `json:"estimate"`
}

type window struct {
	ID        string    `json:"id"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// The states of a request that the command line looks at.
const (
	stateOpen     = "open"
	stateGranted  = "granted" // there was an active grant already
	stateApproved = "approved"
	stateDenied   = "denied"
	stateExpired  = "expired"
	stateUsed     = "used"
)

// questionWait is how long the gateway may hold one question back.
const questionWait = 25 * time.Second

func (a *app) requestCommand() *cobra.Command {
	var o ask
	create := func(use string) *cobra.Command {
		cmd := a.command(use, "Ask for a role on a resource, for a while", cobra.NoArgs,
			func(ctx context.Context, _ []string) error { return a.requestCreate(ctx, &o) })
		cmd.Flags().StringVar(&o.resource, "resource", "", "resource")
		cmd.Flags().StringVar(&o.role, "role", "", "role")
		cmd.Flags().DurationVar(&o.window, "window", 0, "how long, as 1h; else as long as the gateway gives")
		cmd.Flags().StringVar(&o.reason, "reason", "", "why, for whoever decides and for the record")
		o.flags(cmd)
		return cmd
	}
	root := create("request")
	root.Short = "Ask for roles, and decide about what others ask"
	var all bool
	lst := a.command("list", "List requests: your own and those that you may decide", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.requestList(ctx, all) })
	lst.Flags().BoolVar(&all, "all", false, "those that are settled too")
	show := a.command("show ID", "Show a request whole", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			return a.requestCall(ctx, http.MethodGet, args[0], "", nil)
		})
	decide := func(verb, short string) *cobra.Command {
		var rationale string
		cmd := a.command(verb+" ID", short, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			if rationale == "" {
				return usage("give the rationale with --reason; it goes on record")
			}
			return a.requestCall(ctx, http.MethodPost, args[0], verb, map[string]string{"rationale": rationale})
		})
		cmd.Flags().StringVar(&rationale, "reason", "", "why, for the record")
		return cmd
	}
	withdraw := a.command("withdraw ID", "Take a request of your own back", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			return a.requestCall(ctx, http.MethodPost, args[0], "withdraw", nil)
		})
	root.AddCommand(create("create"), lst, show, decide("approve", "Approve a request"), decide("deny", "Deny a request"), withdraw)
	return a.client(root)
}

// ask is what a request asks for.
type ask struct {
	waiting
	resource, role, reason string
	window                 time.Duration
}

func (a *app) requestCreate(ctx context.Context, o *ask) error {
	switch {
	case o.resource == "" || o.role == "":
		return usage("name --resource and --role")
	case strings.TrimSpace(o.reason) == "":
		return usage("say why with --reason; whoever decides reads it, and it goes on record")
	case o.window < 0:
		return usage("--window must be longer than nothing")
	}
	if _, err := a.format(); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	body := map[string]any{"resource": o.resource, "role": o.role, "reason": o.reason}
	if o.window > 0 {
		body["window"] = o.window.String()
	}
	var r request
	raw, err := c.ask(ctx, http.MethodPost, "/v1/requests", nil, body, &r)
	if err != nil {
		return err
	}
	if o.wait && r.State == stateOpen {
		fmt.Fprintf(a.Stderr, "request %s waits for %s\n", clean(r.ID), clean(r.Approvers))
		if raw, err = c.decided(ctx, &o.waiting, &r); err != nil {
			return err
		}
	}
	if err := a.showRequest(raw, r); err != nil {
		return err
	}
	return r.outcome(o.wait)
}

// decided waits until a request is no longer open. The gateway holds each
// question back until something changes, so this does not hammer it.
func (c *client) decided(ctx context.Context, w *waiting, r *request) (json.RawMessage, error) {
	wctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	for {
		var now request
		q := url.Values{"wait": {questionWait.String()}}
		raw, err := c.ask(wctx, http.MethodGet, "/v1/requests/"+url.PathEscape(r.ID), q, nil, &now)
		switch {
		case wctx.Err() != nil && ctx.Err() == nil:
			return nil, sallyport.E(sallyport.Held, "request", "request "+r.ID+" still waits for "+r.Approvers).
				WithHint("it stays open until " + stamp(r.Expires) + "; an approver runs: sallyport request approve " + r.ID + " --reason \"...\"")
		case err != nil:
			return nil, err
		}
		if *r = now; r.State != stateOpen {
			return raw, nil
		}
	}
}

// outcome turns what became of a request into the command's own end. Without
// waiting, an open request is what was asked for.
func (r request) outcome(waited bool) error {
	switch r.State {
	case stateDenied:
		msg := "request " + r.ID + " was denied"
		if r.Decision != nil {
			msg += " by " + r.Decision.Approver + ": " + r.Decision.Rationale
		}
		return sallyport.E(sallyport.Denied, "request", msg)
	case stateExpired:
		return sallyport.E(sallyport.Held, "request", "request "+r.ID+" expired undecided").WithHint("ask again")
	case stateOpen, stateGranted, stateApproved, stateUsed:
		return nil
	}
	if waited {
		return sallyport.E(sallyport.Conflict, "request", "request "+r.ID+" is "+r.State)
	}
	return nil
}

func (a *app) requestList(ctx context.Context, all bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{"state": {stateOpen}}
	if all {
		q.Set("state", "all")
	}
	var out struct {
		Requests []request `json:"requests"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/requests", q, nil, &out)
	if err != nil {
		return err
	}
	t := table{head: []string{"ID", "KIND", "STATE", "PRINCIPAL", "RESOURCE", "ROLE", "FOR", "WHAT", "EXPIRES"}, empty: "there is no such request"}
	for _, r := range out.Requests {
		what := r.Reason
		if r.Hold != nil {
			what = r.Hold.Readable
		}
		if a.output != "csv" {
			what = shorten(what, 60)
		}
		t.rows = append(t.rows, []string{r.ID, r.Kind, r.State, r.Principal, r.Resource, r.Role, r.length(), what, stamp(r.Expires)})
	}
	return a.show(raw, t)
}

func (r request) length() string {
	if r.WindowMS == 0 {
		return ""
	}
	return brief(time.Duration(r.WindowMS) * time.Millisecond)
}

// requestCall does something with one request and shows what became of it.
func (a *app) requestCall(ctx context.Context, method, id, verb string, body any) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	path := "/v1/requests/" + url.PathEscape(id)
	if verb != "" {
		path += "/" + verb
	}
	var r request
	raw, err := c.ask(ctx, method, path, nil, body, &r)
	if err != nil {
		return err
	}
	return a.showRequest(raw, r)
}

func (a *app) showRequest(raw json.RawMessage, r request) error {
	t := table{head: []string{"FIELD", "VALUE"}, plain: true}
	add := func(name, value string) {
		if value != "" {
			t.rows = append(t.rows, []string{name, value})
		}
	}
	add("request", r.ID)
	add("kind", r.Kind)
	add("state", r.State)
	add("principal", r.Principal)
	add("resource", r.Resource)
	add("role", r.Role)
	add("window", r.length())
	add("reason", r.Reason)
	add("approvers", r.Approvers)
	add("created", stamp(r.Created))
	add("expires", stamp(r.Expires))
	if h := r.Hold; h != nil {
		add("session", fmt.Sprintf("%s, statement %d", h.Session, h.Stmt))
		add("statement", h.Readable)
		add("effects", list(h.Effects))
		add("objects", list(h.Objects))
		add("rules", list(h.Rules))
		add("the target says", estimated(h.Estimate))
	}
	if d := r.Decision; d != nil {
		add("decision", d.Decision+" by "+d.Approver+" at "+stamp(d.At))
		add("rationale", d.Rationale)
	}
	if g := r.Grant; g != nil && g.ID != "" {
		add("grant", g.ID)
		add("from", stamp(g.NotBefore))
		add("until", stamp(g.NotAfter))
	}
	return a.show(raw, t)
}

// estimated says in a line what the target says of a held statement.
func estimated(e *sallyport.Estimate) string {
	switch {
	case e == nil:
		return ""
	case e.None != "":
		return "no estimate: " + e.None
	}
	out := fmt.Sprintf("%s, %d bytes to read", e.Kind, e.Bytes)
	if len(e.Tables) > 0 {
		out += ", of " + list(e.Tables)
	}
	return out
}

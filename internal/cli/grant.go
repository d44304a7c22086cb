// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// grant is a grant as the API tells it.
type grant struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Request   string    `json:"request"`
	Principal string    `json:"principal"`
	Resource  string    `json:"resource"`
	Role      string    `json:"role"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
}

func (a *app) grantCommand() *cobra.Command {
	var all bool
	lst := a.command("list", "List grants", cobra.NoArgs, func(ctx context.Context, _ []string) error { return a.grantList(ctx, all) })
	lst.Flags().BoolVar(&all, "all", false, "those that have ended too")
	var reason string
	revoke := a.command("revoke ID", "End a grant and the sessions that rest on it", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			if reason == "" {
				return usage("say why with --reason; it goes on record")
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.close()
			var g grant
			raw, err := c.ask(ctx, http.MethodPost, "/v1/grants/"+url.PathEscape(args[0])+"/revoke", nil, map[string]string{"reason": reason}, &g)
			if err != nil {
				return err
			}
			return a.show(raw, a.grantTable([]grant{g}))
		})
	revoke.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return a.client(a.group("grant", "List and end grants", lst, revoke))
}

func (a *app) grantList(ctx context.Context, all bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{"state": {"active"}}
	if all {
		q.Set("state", "all")
	}
	var out struct {
		Grants []grant `json:"grants"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/grants", q, nil, &out)
	if err != nil {
		return err
	}
	return a.show(raw, a.grantTable(out.Grants))
}

func (a *app) grantTable(gs []grant) table {
	t := table{head: []string{"ID", "STATE", "PRINCIPAL", "RESOURCE", "ROLE", "FROM", "UNTIL", "LEFT"}, empty: "there is no such grant"}
	for _, g := range gs {
		left := ""
		if g.State == "active" {
			left = until(a.Now(), g.NotAfter)
		}
		t.rows = append(t.rows, []string{g.ID, g.State, g.Principal, g.Resource, g.Role, stamp(g.NotBefore), stamp(g.NotAfter), left})
	}
	return t
}

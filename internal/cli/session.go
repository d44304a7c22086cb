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

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// sessionInfo is a session as the API lists it.
type sessionInfo struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Principal  string    `json:"principal"`
	Resource   string    `json:"resource"`
	Role       string    `json:"role"`
	Grant      string    `json:"grant"`
	Client     string    `json:"client"`
	Opened     time.Time `json:"opened"`
	Closed     time.Time `json:"closed"`
	Reason     string    `json:"reason"`
	Statements uint64    `json:"statements"`
	Denials    uint64    `json:"denials"`
	Masked     uint64    `json:"masked"`
}

// sessionWhole is the answer of GET /v1/sessions/{id}.
type sessionWhole struct {
	Session    sessionInfo            `json:"session"`
	Open       *sessionOpen           `json:"open"`
	Statements []statement            `json:"statements"`
	More       bool                   `json:"more"`
	Close      *evidence.SessionClose `json:"close"`

	request *request // that the grant came of
}

type sessionOpen struct {
	At        time.Time           `json:"at"`
	Principal sallyport.Principal `json:"principal"`
	Resource  string              `json:"resource"`
	Protocol  string              `json:"protocol"`
	Role      string              `json:"role"`
	Grant     *sallyport.Grant    `json:"grant"`
	Policy    string              `json:"policy"`
	Client    string              `json:"client"`
	TLS       string              `json:"tls"`
	Lineage   string              `json:"lineage"`
	Notes     []string            `json:"notes"`
}

type statement struct {
	Stmt     uint64            `json:"stmt"`
	At       time.Time         `json:"at"`
	Phase    string            `json:"phase"`
	Class    string            `json:"class"`
	Readable string            `json:"readable"`
	Verdict  string            `json:"verdict"`
	Rules    []string          `json:"rules"`
	Reason   string            `json:"reason"`
	Request  string            `json:"request"`
	Approval *approval         `json:"approval"`
	Masked   []masked          `json:"masked"`
	Outcome  *evidence.Outcome `json:"outcome"`
}

// phaseAnalyse is the phase of a statement that the target was only to analyse.
const phaseAnalyse = "analyse"

type approval struct {
	Request   string    `json:"request"`
	Approver  string    `json:"approver"`
	Rationale string    `json:"rationale"`
	At        time.Time `json:"at"`
}

type masked struct {
	Output   int      `json:"output"`
	Columns  []string `json:"columns"`
	Labels   []string `json:"labels"`
	Reason   string   `json:"reason"`
	Operator string   `json:"operator"`
	Seen     uint64   `json:"seen"`
	Masked   uint64   `json:"masked"`
	Nulls    uint64   `json:"nulls"`
}

func (a *app) sessionCommand() *cobra.Command {
	var q sessionQuery
	lst := a.command("list", "List sessions, the newest first", cobra.NoArgs, func(ctx context.Context, _ []string) error { return a.sessionList(ctx, &q) })
	q.flags(lst)
	show := a.command("show ID", "Show a session and its statements", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.sessionShow(ctx, args[0]) })
	var reason string
	end := a.command("end ID", "End a live session", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		if reason == "" {
			return usage("say why with --reason; it goes on record")
		}
		return a.sessionEnd(ctx, args[0], reason)
	})
	end.Flags().StringVar(&reason, "reason", "", "why, for the client and the record")
	var x export
	var cast castFlags
	exp := a.command("export ID", "Write a bundle with the evidence of one session, or what a program of it printed", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			x.session = args[0]
			if cast.statement != 0 || cast.format != "" {
				return a.castExport(ctx, &x, cast)
			}
			return a.evidenceExport(ctx, &x)
		})
	x.outputFlags(exp)
	cast.flags(exp)
	return a.client(a.group("session", "Look at sessions, replay them and end them", lst, show, a.replayCommand(), end, exp))
}

// sessionQuery selects sessions.
type sessionQuery struct {
	principal, resource, grant, since, until string
	open                                     bool
	limit                                    int
}

func (q *sessionQuery) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&q.principal, "principal", "", "of this principal")
	f.StringVar(&q.resource, "resource", "", "on this resource")
	f.StringVar(&q.grant, "grant", "", "under this grant")
	f.StringVar(&q.since, "since", "", "not ended before: a date, a time, or how long ago (24h)")
	f.StringVar(&q.until, "until", "", "not begun after")
	f.BoolVar(&q.open, "open", false, "live ones only")
	f.IntVar(&q.limit, "limit", 100, "at most so many")
}

// values are the query's parameters.
func (q *sessionQuery) values(now time.Time) (url.Values, error) {
	v := url.Values{"limit": {strconv.Itoa(q.limit)}}
	for name, text := range map[string]string{"principal": q.principal, "resource": q.resource, "grant": q.grant} {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, text := range map[string]string{"since": q.since, "until": q.until} {
		t, err := when(now, text)
		if err != nil {
			return nil, usage("--%s: %s", name, err)
		}
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339))
		}
	}
	if q.open {
		v.Set("open", "true")
	}
	return v, nil
}

// when reads a time as people give it: RFC 3339, a date (UTC), or how long ago.
func when(now time.Time, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time (2025-01-31T08:00:00Z), a date (2025-01-31) nor how long ago (24h)", text)
}

func (a *app) sessionList(ctx context.Context, q *sessionQuery) error {
	v, err := q.values(a.Now())
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var out struct {
		Sessions []sessionInfo `json:"sessions"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/sessions", v, nil, &out)
	if err != nil {
		return err
	}
	t := table{
		head:  []string{"ID", "STATE", "PRINCIPAL", "RESOURCE", "ROLE", "OPENED", "LASTED", "STATEMENTS", "DENIED", "MASKED"},
		empty: "there is no such session",
	}
	for _, s := range out.Sessions {
		lasted := ""
		if !s.Closed.IsZero() {
			lasted = brief(s.Closed.Sub(s.Opened))
		}
		t.rows = append(t.rows, []string{
			s.ID, s.State, s.Principal, s.Resource, s.Role, stamp(s.Opened), lasted,
			fmt.Sprint(s.Statements), fmt.Sprint(s.Denials), fmt.Sprint(s.Masked),
		})
	}
	return a.show(raw, t)
}

// session gets a session, and the request that its grant came of as far as the
// caller may see it.
func (c *client) session(ctx context.Context, id string) (sessionWhole, []byte, error) {
	var s sessionWhole
	q := url.Values{"limit": {strconv.Itoa(replayPage)}}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/sessions/"+url.PathEscape(id), q, nil, &s)
	if err != nil || s.Open == nil || s.Open.Grant == nil || s.Open.Grant.Request == "" {
		return s, raw, err
	}
	var r request
	_, err = c.ask(ctx, http.MethodGet, "/v1/requests/"+url.PathEscape(string(s.Open.Grant.Request)), nil, nil, &r)
	if k := sallyport.KindOf(err); err != nil && k != sallyport.NotFound && k != sallyport.Denied {
		return s, raw, err
	}
	if err == nil {
		s.request = &r
	}
	return s, raw, nil
}

func (a *app) sessionShow(ctx context.Context, id string) error {
	format, err := a.format()
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	s, raw, err := c.session(ctx, id)
	if err != nil {
		return err
	}
	if format == "json" {
		_, err = a.Stdout.Write(indent(raw))
		return err
	}
	t := table{head: []string{"STATEMENT", "TIME", "VERDICT", "WHAT", "MASKED", "RESULT"}}
	for _, st := range s.Statements {
		t.rows = append(t.rows, st.row(format == "csv"))
	}
	if format == "csv" {
		return t.csv(a.Stdout)
	}
	var b strings.Builder
	renderHeader(&b, s, paints(a.colour()))
	b.WriteString("\n")
	if _, err := a.Stdout.Write([]byte(b.String())); err != nil {
		return err
	}
	if err := t.text(a.Stdout, a.colour()); err != nil {
		return err
	}
	if s.More {
		fmt.Fprintln(a.Stderr, "there are more statements; session replay shows them all")
	}
	return nil
}

// row is a statement in a list.
func (s statement) row(whole bool) []string {
	what := s.Readable
	if !whole {
		what = shorten(what, 80)
	}
	var n uint64
	for _, m := range s.Masked {
		n += m.Masked
	}
	return []string{fmt.Sprint(s.Stmt), stamp(s.At), s.Verdict, what, fmt.Sprint(n), s.result()}
}

// result says in a few words what became of a statement.
func (s statement) result() string {
	switch o := s.Outcome; {
	case s.Verdict == "deny":
		return s.Reason
	case o == nil:
		return "may have executed"
	case s.Phase == phaseAnalyse && o.Status == "ok":
		return "analysed only"
	case o.Code != "":
		return o.Status + " " + o.Code
	case o.Tag != "":
		return o.Tag
	default:
		return o.Status
	}
}

func (a *app) sessionEnd(ctx context.Context, id, reason string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	raw, err := c.call(ctx, http.MethodPost, "/v1/sessions/"+url.PathEscape(id)+"/end", nil, map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	return a.show(raw, table{head: []string{"ENDED"}, rows: [][]string{{id}}})
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// ledger builds a small synthetic ledger.
type ledger struct {
	t       *testing.T
	entries []store.Entry
	seq     map[sallyport.SessionID]uint64
}

func (l *ledger) add(session sallyport.SessionID, typ evidence.Type, body any) {
	l.t.Helper()
	b, err := json.Marshal(body)
	must(l.t, err)
	n := uint64(len(l.entries))
	leaf := evidence.Leaf[json.RawMessage]{
		V: evidence.LeafVersion, Type: typ, Origin: "test", Time: start().Add(time.Duration(n) * time.Second), Session: session, Body: b,
	}
	if session != "" {
		l.seq[session]++
		leaf.Seq = l.seq[session]
	}
	l.entries = append(l.entries, store.Entry{Index: n, Leaf: leaf})
}

// world is two sessions that overlap, with everything around them.
func world(t *testing.T) []store.Entry {
	l := &ledger{t: t, seq: map[sallyport.SessionID]uint64{}}
	etl := sallyport.Principal{ID: "ci:etl", Kind: sallyport.CIJob}
	bot := sallyport.Principal{ID: "agent:bot", Kind: sallyport.AIAgent}
	g := sallyport.Grant{ID: "gr_1", Request: "req_1", Principal: "ci:etl", Resource: "clinic", Role: "claims-etl"}
	l.add("", evidence.TypeStart, evidence.Start{Epoch: 1})
	l.add("", evidence.TypeIdentity, evidence.Identity{Accepted: true, Principal: &etl})
	l.add("", evidence.TypeRequest, evidence.Request{ID: "req_1", Kind: "grant", State: "open", Principal: "ci:etl", Resource: "clinic"})
	l.add("", evidence.TypeDecision, evidence.Decision{Request: "req_1", Kind: "grant", Decision: "approved", Approver: "human:ann"})
	l.add("", evidence.TypeGrant, evidence.GrantEvent{State: "active", Grant: g})
	l.add("s_1", evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: etl, Resource: "clinic", Protocol: "postgres", Role: "claims-etl", Grant: &g, Policy: "p1", Client: "10.0.0.1", Lineage: "in-band",
	})
	l.add("s_2", evidence.TypeSessionOpen, evidence.SessionOpen{Principal: bot, Resource: "warehouse", Protocol: "postgres", Role: "reader", Policy: "p1"})
	l.add("s_1", evidence.TypeIntent, evidence.Intent{
		Stmt: 1, Phase: "execute", Mode: "before-forward", Class: "select", Readable: "SELECT name FROM patients WHERE id = $1", Digest: "d1",
		Objects: []string{"read table clinic/public/patients"}, Effects: []string{"read"}, Verdict: "allow",
		Rules: []sallyport.RuleID{"r1"}, Policy: "p1", Grant: "gr_1",
	})
	l.add("s_2", evidence.TypeDenial, evidence.Denial{
		Stmt: 1, Class: "drop table", Readable: "DROP TABLE patients", Digest: "d2", Objects: []string{"destroy table warehouse/public/100%_sure"},
		Effects: []string{"destroy"}, Rules: []sallyport.RuleID{"r9"}, Policy: "p1", Reason: "not permitted", Request: "req_2",
	})
	l.add("s_1", evidence.TypeOutcome, evidence.Outcome{Stmt: 1, Status: "ok", Tag: "SELECT 3", Rows: 3, Bytes: 120, Micros: 950})
	l.add("s_1", evidence.TypeMasking, evidence.Masking{Stmt: 1, Output: 0, Seen: 3, Masked: 2, Nulls: 1})
	l.add("s_1", evidence.TypeMasking, evidence.Masking{Stmt: 1, Output: 1, Seen: 3, Masked: 3})
	l.add("s_1", evidence.TypeIntent, evidence.Intent{
		Stmt: 2, Of: 1, Phase: "execute", Digest: "d1", Verdict: "allow", Policy: "p1", Grant: "gr_1",
		Approval: &sallyport.Approval{Request: "req_3", Approver: "human:ann"},
	})
	l.add("s_1", evidence.TypeRecording, evidence.Recording{Chunk: 1})
	l.add("s_1", evidence.TypeSessionClose, evidence.SessionClose{Reason: "the client left", Statements: 2, Events: 8, Chunks: 1})
	l.add("", "of-the-future", map[string]int{"x": 1})
	l.add("", evidence.TypeReplay, evidence.Replay{By: "human:ann", Session: "s_1"})
	return l.entries
}

func at(n int) time.Time { return start().Add(time.Duration(n) * time.Second) }

func index(t *testing.T, s Store, again func() Store) {
	must(t, s.Index.Put(t.Context(), world(t)...))
	want := store.Session{
		ID: "s_1", Principal: "ci:etl", Kind: sallyport.CIJob, Resource: "clinic", Protocol: "postgres", Role: "claims-etl", Grant: "gr_1",
		Client: "10.0.0.1", Lineage: "in-band", Policy: "p1", Opened: at(5), Closed: at(14), Reason: "the client left",
		Statements: 2, Masked: 5, Events: 8, Chunks: 1, First: 5, Last: 14,
	}
	open := store.Session{
		ID: "s_2", Principal: "agent:bot", Kind: sallyport.AIAgent, Resource: "warehouse", Protocol: "postgres", Role: "reader", Policy: "p1",
		Opened: at(6), Statements: 1, Denials: 1, Events: 2, First: 6, Last: 8,
	}
	x := again().Index
	got, err := x.Session(t.Context(), "s_1")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	all, err := x.Sessions(t.Context(), store.SessionFilter{})
	must(t, err)
	if diff := cmp.Diff([]store.Session{open, want}, all); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	_, err = x.Session(t.Context(), "s_none")
	wantKind(t, "Session", err, sallyport.NotFound)
	leaves, err := x.Leaves(t.Context(), "s_1")
	must(t, err)
	if diff := cmp.Diff([]uint64{5, 7, 9, 10, 11, 12, 13, 14}, leaves); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	statements, err := x.Statements(t.Context(), store.StatementFilter{})
	must(t, err)
	first := store.Statement{
		Session: "s_1", Stmt: 1, Principal: "ci:etl", Resource: "clinic", At: at(7), Index: 7, Verdict: "allow", Phase: "execute",
		Class: "select", Readable: "SELECT name FROM patients WHERE id = $1", Digest: "d1", Objects: []string{"read table clinic/public/patients"},
		Effects: []string{"read"}, Rules: []sallyport.RuleID{"r1"}, Policy: "p1", Grant: "gr_1",
		Status: "ok", Tag: "SELECT 3", Rows: 3, Bytes: 120, Micros: 950, Masked: 5,
	}
	second := first // executed again, and without an outcome
	second.Stmt, second.At, second.Index, second.Rules, second.Request = 2, at(12), 12, nil, "req_3"
	second.Status, second.Tag, second.Rows, second.Bytes, second.Micros, second.Masked = "", "", 0, 0, 0, 0
	denied := store.Statement{
		Session: "s_2", Stmt: 1, Principal: "agent:bot", Resource: "warehouse", At: at(8), Index: 8, Verdict: "deny", Class: "drop table",
		Readable: "DROP TABLE patients", Digest: "d2", Objects: []string{"destroy table warehouse/public/100%_sure"}, Effects: []string{"destroy"},
		Rules: []sallyport.RuleID{"r9"}, Policy: "p1", Request: "req_2", Reason: "not permitted", Status: "denied",
	}
	if diff := cmp.Diff([]store.Statement{second, denied, first}, statements); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func indexSearch(t *testing.T, s Store, _ func() Store) {
	must(t, s.Index.Put(t.Context(), world(t)...))
	for name, tt := range map[string]struct {
		f    store.SessionFilter
		want []sallyport.SessionID
	}{
		"principal": {store.SessionFilter{Principal: "ci:etl"}, []sallyport.SessionID{"s_1"}},
		"resource":  {store.SessionFilter{Resource: "warehouse"}, []sallyport.SessionID{"s_2"}},
		"role":      {store.SessionFilter{Role: "reader"}, []sallyport.SessionID{"s_2"}},
		"grant":     {store.SessionFilter{Grant: "gr_1"}, []sallyport.SessionID{"s_1"}},
		"open":      {store.SessionFilter{OpenOnly: true}, []sallyport.SessionID{"s_2"}},
		"from":      {store.SessionFilter{From: at(6)}, []sallyport.SessionID{"s_2"}},
		"to":        {store.SessionFilter{To: at(6)}, []sallyport.SessionID{"s_1"}},
		"page":      {store.SessionFilter{Limit: 1, Before: 6}, []sallyport.SessionID{"s_1"}},
		"both":      {store.SessionFilter{Principal: "ci:etl", Resource: "warehouse"}, nil},
	} {
		rows, err := s.Index.Sessions(t.Context(), tt.f)
		must(t, err)
		var got []sallyport.SessionID
		for _, r := range rows {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("sessions, %s (-want +got):\n%s", name, diff)
		}
	}
	for name, tt := range map[string]struct {
		f    store.StatementFilter
		want []uint64
	}{
		"session":       {store.StatementFilter{Session: "s_1"}, []uint64{12, 7}},
		"principal":     {store.StatementFilter{Principal: "agent:bot"}, []uint64{8}},
		"resource":      {store.StatementFilter{Resource: "clinic"}, []uint64{12, 7}},
		"verdict":       {store.StatementFilter{Verdict: "deny"}, []uint64{8}},
		"object":        {store.StatementFilter{Object: "clinic/public/patients"}, []uint64{12, 7}},
		"object's sign": {store.StatementFilter{Object: "100%_s"}, []uint64{8}},
		"no wildcard":   {store.StatementFilter{Object: "c%c"}, nil},
		"any case":      {store.StatementFilter{Text: "drop TABLE"}, []uint64{8}},
		"quoted":        {store.StatementFilter{Text: "' OR 1=1 --"}, nil},
		"between":       {store.StatementFilter{From: at(8), To: at(12)}, []uint64{8}},
		"page":          {store.StatementFilter{Limit: 1, Before: 12}, []uint64{8}},
	} {
		rows, err := s.Index.Statements(t.Context(), tt.f)
		must(t, err)
		var got []uint64
		for _, r := range rows {
			got = append(got, r.Index)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("statements, %s (-want +got):\n%s", name, diff)
		}
	}
	for name, tt := range map[string]struct {
		f    store.EventFilter
		want []uint64
	}{
		"type":      {store.EventFilter{Types: []evidence.Type{evidence.TypeStart, evidence.TypeMasking}}, []uint64{11, 10, 0}},
		"unknown":   {store.EventFilter{Types: []evidence.Type{"of-the-future"}}, []uint64{15}},
		"session":   {store.EventFilter{Session: "s_2"}, []uint64{8, 6}},
		"principal": {store.EventFilter{Principal: "human:ann"}, []uint64{16, 3}},
		"owner":     {store.EventFilter{Principal: "agent:bot"}, []uint64{8, 6}},
		"request":   {store.EventFilter{Request: "req_1"}, []uint64{4, 3, 2}},
		"grant":     {store.EventFilter{Grant: "gr_1"}, []uint64{12, 7, 5, 4}},
		"resource":  {store.EventFilter{Resource: "warehouse"}, []uint64{8, 6}},
		"between":   {store.EventFilter{From: at(1), To: at(3)}, []uint64{2, 1}},
		"page":      {store.EventFilter{Limit: 2, Before: 3}, []uint64{2, 1}},
	} {
		rows, err := s.Index.Events(t.Context(), tt.f)
		must(t, err)
		var got []uint64
		for _, r := range rows {
			got = append(got, r.Index)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("events, %s (-want +got):\n%s", name, diff)
		}
	}
}

// indexOrder: leaves go in once and without gaps, and the index can be built
// anew to the same end.
func indexOrder(t *testing.T, s Store, again func() Store) {
	all := world(t)
	x := s.Index
	wantCursor := func(want uint64) {
		t.Helper()
		if n, err := x.Cursor(t.Context()); n != want || err != nil {
			t.Errorf("Cursor = %d, %v; want %d", n, err, want)
		}
	}
	wantCursor(0)
	wantKind(t, "a gap at the start", x.Put(t.Context(), all[1]), sallyport.Conflict)
	must(t, x.Put(t.Context(), all[:9]...))
	wantCursor(9)
	wantKind(t, "a gap", x.Put(t.Context(), all[9], all[11]), sallyport.Conflict)
	wantCursor(9) // all or nothing
	must(t, again().Index.Put(t.Context(), all[5:]...))
	wantCursor(uint64(len(all)))
	before, err := x.Sessions(t.Context(), store.SessionFilter{})
	must(t, err)
	must(t, x.Reset(t.Context()))
	wantCursor(0)
	must(t, x.Put(t.Context(), all...))
	after, err := x.Sessions(t.Context(), store.SessionFilter{})
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("built anew (-before +after):\n%s", diff)
	}
}

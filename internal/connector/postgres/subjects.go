// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// subjects says whose rows a statement's answer is made of, as far as its lineage
// proves it. It belongs to a plan and does not change.
type subjects struct {
	keys []int // the outputs whose values are keys of patients
	// blind are the tables with keys of patients whose rows the statement may reach
	// without that an output tells whose they are.
	blind []string
	// calls are functions that may read any table.
	calls []string
	// tables are all tables with keys of patients that the statement reaches.
	tables []string
}

// identify finds the subjects of a plan. lineage is what the statement's tree told,
// or that of the query inside it; nil when there was none. answers says that the
// outputs of the lineage are those of the answer.
func (t *Target) identify(st *sallyport.Statement, g *analyze.Gated, lineage *analyze.Plan, answers bool, cat analyze.Catalog) subjects {
	var s subjects
	if t.cfg.Patients == "" || g.Explain != nil && !g.Explain.Analyze { // EXPLAIN alone reads no row
		return s
	}
	res := string(t.cfg.Resource)
	if lineage != nil {
		outputs := make([]bool, len(lineage.Outputs))
		for i, o := range lineage.Outputs {
			outputs[i] = answers && g.Explain == nil && t.allKeys(o.Origins, cat)
			if outputs[i] {
				s.keys = append(s.keys, i)
			}
		}
		for _, o := range lineage.Occurrences {
			keys, name := t.keysOf(o.Relation, cat)
			if keys == nil {
				continue
			}
			s.tables = add(s.tables, res+"/"+name)
			if !known(o, keys, outputs) {
				s.blind = add(s.blind, res+"/"+name)
			}
		}
		for _, oid := range lineage.Missing {
			name := res + "/unknown/" + strconv.FormatUint(uint64(oid), 10)
			s.tables, s.blind = add(s.tables, name), add(s.blind, name)
		}
	}
	for _, a := range st.Accesses {
		switch a.Effect {
		case sallyport.Execute:
			if !builtIn(a.Object) {
				s.calls = add(s.calls, a.Object.Name())
			}
		case sallyport.Read, sallyport.Write, sallyport.Delete, sallyport.Destroy:
			if lineage != nil && a.Effect != sallyport.Destroy {
				continue // the occurrences say it
			}
			oid, err := strconv.ParseUint(a.Object.Key, 10, 32)
			if err != nil {
				continue
			}
			if keys, _ := t.keysOf(uint32(oid), cat); keys != nil {
				s.tables, s.blind = add(s.tables, a.Object.Name()), add(s.blind, a.Object.Name())
			}
		}
	}
	return s
}

// builtIn reports whether a function came with the server. Those of them that read
// tables are refused.
func builtIn(o sallyport.Object) bool {
	oid, err := strconv.ParseUint(o.Key, 10, 32)
	return err == nil && oid < firstNormalOID
}

// firstNormalOID is FirstNormalObjectId of access/transam.h.
const firstNormalOID = 16384

// known reports whether outputs that are keys of patients tell all keys of the rows
// of an occurrence.
func known(o analyze.Occurrence, keys []int16, outputs []bool) bool {
	for _, k := range keys {
		told := slices.ContainsFunc(o.Shown, func(x analyze.ShownColumn) bool { return x.Attnum == k && outputs[x.Output] })
		if !told || slices.Contains(o.Set, k) {
			return false
		}
	}
	return true
}

// keysOf returns the columns of a relation that hold keys of patients, nil when
// there is none, and its name.
func (t *Target) keysOf(oid uint32, cat analyze.Catalog) (keys []int16, name string) {
	r, ok := cat.Relation(oid)
	if !ok {
		return nil, ""
	}
	for a, c := range r.Columns {
		if !c.Dropped && t.isKey(c.Labels) {
			keys = append(keys, a)
		}
	}
	return keys, r.Schema + "/" + r.Name
}

// allKeys reports whether the columns, of which one is an output's value, are all
// keys of patients.
func (t *Target) allKeys(refs []analyze.ColumnRef, cat analyze.Catalog) bool {
	for _, c := range refs {
		r, ok := cat.Relation(c.Relation)
		if !ok || !t.isKey(r.Columns[c.Attnum].Labels) {
			return false
		}
	}
	return len(refs) > 0
}

// isKey reports whether one of the labels is that of keys of patients or lies under
// it.
func (t *Target) isKey(labels []sallyport.Label) bool {
	return slices.ContainsFunc(labels, func(l sallyport.Label) bool {
		return l == t.cfg.Patients || strings.HasPrefix(string(l), string(t.cfg.Patients)+".")
	})
}

func add(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// readKeys has the keys of the patients taken from the rows of an answer, where
// outputs hold them.
func (r *relay) readKeys(e *execution, rows interface{ SetKeys(k mask.Keys) }) {
	if e.unlinked || len(e.plan.subjects.keys) == 0 {
		return
	}
	if e.patients == nil {
		e.patients = r.sess.Patients()
	}
	if e.patients != nil {
		rows.SetKeys(e.patients)
	}
}

// tablesOf names the tables with keys of patients that a statement inside a function
// reads; every one may be read by a statement that could not be followed.
func (t *Target) tablesOf(lineage *analyze.Plan) (tables []string) {
	cat := t.names.Current()
	if lineage == nil || cat == nil {
		return []string{string(t.cfg.Resource) + "/*"}
	}
	for _, u := range lineage.Relations {
		if keys, name := t.keysOf(u.Relation, cat); keys != nil {
			tables = add(tables, string(t.cfg.Resource)+"/"+name)
		}
	}
	return tables
}

// dataOutputs counts the outputs that may hold data of columns.
func dataOutputs(st *sallyport.Statement) (n int) {
	for _, o := range st.Outputs {
		if len(o.Sources) > 0 || o.Unknown {
			n++
		}
	}
	return n
}

// disclosed is what a finished execution tells about patients, for the record.
func (r *relay) disclosed(e *execution, status string) session.Disclosed {
	s := &e.plan.subjects
	d := session.Disclosed{Patients: e.patients, Tables: s.tables, Outputs: e.outputs, Masked: e.masked}
	destroyed := status == "ok" && slices.Contains(e.plan.stmt.Effects, sallyport.Destroy)
	if r.target.cfg.Patients == "" || e.n == 0 && status != "cut" && !destroyed {
		return d // nothing was read or written, or it was undone
	}
	unknown := func(reason string, relations []string) {
		if len(relations) > 0 {
			d.Unknown = append(d.Unknown, evidence.UnknownPatients{Relations: relations, Reason: reason, Rows: e.n})
		}
	}
	if e.unlinked {
		unknown(evidence.UnknownLineage, s.tables)
	} else {
		unknown(evidence.UnknownNoKey, s.blind)
	}
	unknown(evidence.UnknownFunction, union(s.calls, e.innerTables))
	return d
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, name := range b {
		out = add(out, name)
	}
	return out
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	sallyport "github.com/sallyport-dev/sallyport"
)

// request is one authorization request: an action on an object, with what its
// context says of it.
type request struct {
	action  action
	object  *entity
	of      *sallyport.Object  // what object stands for
	columns []sallyport.Column // of the access, for context.columns and context.labels
	column  *sallyport.Column  // the only column, instead of columns
	label   sallyport.Label    // when not empty, the only label of the context
	source  sallyport.Label    // of declassify: the label that flows
	// unknown says that the label that flows is not known, so any could be it:
	// what looks at it counts against the request, never for it.
	unknown bool
}

// String says what is asked, for a reason: the action and the object, with the
// label that it is about.
func (r *request) String() string {
	s := r.action.String() + " on " + r.of.Kind + " " + display(r.of.Name())
	switch {
	case r.source != "":
		s += " with data of label " + display(string(r.source))
	case r.label != "":
		s += " (label " + display(string(r.label)) + ")"
	}
	return s
}

// advice says what to do about a denial of the action.
func (a action) advice() string {
	switch a {
	case actionFilterBy:
		return "; leave the column out of conditions, joins, groups and order, or ask for a permit for filterBy on its label"
	case actionDeclassify:
		return " (a tainted write); write into a column that carries the label, or ask for a permit for declassify"
	}
	return ""
}

// result is the outcome of one evaluation of a request.
type result struct {
	permits, forbids, failed []*rule // failed: forbids that could not be evaluated
}

func (r *result) allow() bool {
	return len(r.permits) > 0 && len(r.forbids) == 0 && len(r.failed) == 0
}

// liftable reports whether forbids deny and each of them is lifted by l.
func (r *result) liftable(l lift) bool {
	if len(r.forbids) == 0 || len(r.failed) > 0 {
		return false
	}
	for _, f := range r.forbids {
		if f.lift != l {
			return false
		}
	}
	return true
}

// answer is what a request comes to. Its slices are valid until the next one.
type answer struct {
	outcome sallyport.Outcome
	decided *result
	lifted  []*rule // the annotated forbids that hold, or that a decision has lifted
}

// ask evaluates a request without and, where it matters, with what lifts holds.
func (d *decider) ask(r *request) answer {
	d.requests++
	base := d.evaluate(r, false)
	if base.allow() && !d.present {
		return answer{outcome: sallyport.Allow, decided: base}
	}
	// An approval must not turn what was denied into something allowed: such a
	// statement was never held, so nobody was asked about it. It may unmask,
	// because a permit for readRaw can ask for an approval.
	if !base.allow() && !base.liftable(d.lift) && (!d.present || r.action != actionReadRaw) {
		return answer{decided: base}
	}
	final := d.evaluate(r, true)
	switch {
	case !final.allow():
		if d.present {
			return answer{decided: final}
		}
		return answer{decided: base}
	case base.allow(), !base.liftable(d.lift):
		return answer{outcome: sallyport.Allow, decided: final}
	case d.present:
		return answer{outcome: sallyport.Allow, decided: final, lifted: base.forbids}
	}
	return answer{outcome: sallyport.Hold, decided: base, lifted: base.forbids}
}

// evaluate finds the rules that match the request; lifted puts the approval (or
// grant) into its context, a synthetic one where there is none.
func (d *decider) evaluate(r *request, lifted bool) *result {
	res := &d.results[0]
	if lifted {
		res = &d.results[1]
	}
	res.permits, res.forbids, res.failed = res.permits[:0], res.forbids[:0], res.failed[:0]
	d.matched = d.set.index.match(d.matched[:0], r.action, &d.principal, r.object)
	d.pending = d.pending[:0]
	var needs need
	for _, m := range d.matched {
		switch {
		case m.conditions == nil:
			res.add(m)
		case d.anyLabels && m.needs&needObjectLabels != 0:
			if !m.forbid { // with some labels it permits, and with some no forbid applies
				res.add(m)
			}
		case r.unknown && m.needs&(needLabels|needSource) != 0 && !(lifted && m.lift == d.lift):
			if m.forbid {
				res.add(m)
			}
		default:
			d.pending = append(d.pending, m)
			needs |= m.needs
		}
	}
	var errs []cedar.DiagnosticError
	if len(d.pending) > 0 {
		errs = d.conditions(r, res, needs, lifted)
	}
	if d.trace != nil {
		d.traceStep(r, res, errs, lifted)
	}
	return res
}

func (r *result) add(m *rule) {
	if m.forbid {
		r.forbids = append(r.forbids, m)
	} else {
		r.permits = append(r.permits, m)
	}
}

// pending gives Cedar the conditions to evaluate.
type pending []*rule

// All implements cedar.PolicyIterator.
func (p pending) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range p {
			if !yield(cedar.PolicyID(r.id), r.conditions) {
				return
			}
		}
	}
}

// conditions has Cedar evaluate the conditions of d.pending.
func (d *decider) conditions(r *request, res *result, needs need, lifted bool) []cedar.DiagnosticError {
	g := graph{principal: &d.principal, object: r.object}
	if needs&needAttributes != 0 {
		g.attributes = attributesOf(&d.query.Principal)
		g.objectAttributes = types.NewRecord(types.RecordMap{
			"kind": types.String(r.object.kind), "name": types.String(r.object.name),
		})
	}
	_, diag := cedar.Authorize(pending(d.pending), &g, cedar.Request{
		Principal: d.principal.uid,
		Action:    types.EntityUID{Type: typeAction, ID: types.String(r.action.String())},
		Resource:  r.object.uid,
		Context:   d.context(r, needs, lifted),
	})
	for _, m := range diag.Reasons {
		res.add(d.set.byID[m.PolicyID])
	}
	for _, e := range diag.Errors {
		if m := d.set.byID[e.PolicyID]; m.forbid {
			res.failed = append(res.failed, m)
		}
	}
	return diag.Errors
}

// context builds the part of the request's context that conditions look at.
func (d *decider) context(r *request, needs need, lifted bool) types.Record {
	if needs&needContext == 0 {
		return types.Record{}
	}
	if d.scratch == nil {
		d.scratch = make(types.RecordMap, 4)
	}
	m := d.scratch // NewRecord copies it
	clear(m)
	now := d.query.Now.UTC()
	put := func(n need, key types.String, value func() types.Value) {
		if needs&n != 0 {
			m[key] = value()
		}
	}
	put(needColumns, "columns", func() types.Value { return columnSet(r) })
	put(needLabels, "labels", func() types.Value { return labelSet(r) })
	put(needSource, "source", func() types.Value { return types.String(r.source) })
	put(needClass, "class", func() types.Value { return types.String(d.class()) })
	put(needInTransaction, "in_transaction", func() types.Value { return types.Boolean(d.query.InTransaction) })
	put(needHour, "hour", func() types.Value { return types.Long(now.Hour()) })
	put(needWeekday, "weekday", func() types.Value { return types.Long(isoWeekday(now)) })
	put(needNow, "now", func() types.Value { return types.Long(now.Unix()) })
	if g := d.grantFor(lifted); g != nil {
		put(needGrant, "grant", func() types.Value { return grantRecord(g) })
	}
	if a := d.approvalFor(lifted); a != nil {
		put(needApproval, "approval", func() types.Value { return approvalRecord(a) })
	}
	if k := d.kubernetes(); k != nil {
		put(needKubernetes, "kubernetes", func() types.Value { return kubernetesRecord(k) })
	}
	return types.NewRecord(m)
}

// kubernetes is what the statement asks of a cluster, or nil.
func (d *decider) kubernetes() *sallyport.Kubernetes {
	if d.query.Statement == nil {
		return nil
	}
	return d.query.Statement.Kubernetes
}

// isoWeekday returns 1 for Monday to 7 for Sunday.
func isoWeekday(t time.Time) int {
	if wd := t.Weekday(); wd != time.Sunday {
		return int(wd)
	}
	return 7
}

func columnSet(r *request) types.Set {
	vals := make([]types.Value, 0, len(r.columns)+1)
	for c := range r.all() {
		if name := c.Object.Path; len(name) > 0 {
			vals = append(vals, types.String(name[len(name)-1]))
		}
	}
	return types.NewSet(vals...)
}

// all yields the columns that the request is about.
func (r *request) all() iter.Seq[*sallyport.Column] {
	return func(yield func(*sallyport.Column) bool) {
		if r.column != nil {
			yield(r.column)
			return
		}
		for i := range r.columns {
			if !yield(&r.columns[i]) {
				return
			}
		}
	}
}

// labelSet holds the request's labels and all they lie under, so that asking
// for "phi" finds "phi.ssn".
func labelSet(r *request) types.Set {
	var vals []types.Value
	add := func(l sallyport.Label) {
		for id := string(l); id != ""; {
			vals = append(vals, types.String(id))
			id = id[:max(strings.LastIndexByte(id, '.'), 0)]
		}
	}
	if r.label != "" {
		add(r.label)
		return types.NewSet(vals...)
	}
	for c := range r.all() {
		for _, l := range labelsOf(c) {
			add(l)
		}
	}
	return types.NewSet(vals...)
}

func grantRecord(g *sallyport.Grant) types.Record {
	return types.NewRecord(types.RecordMap{
		"id": types.String(g.ID), "request": types.String(g.Request), "role": types.String(g.Role),
	})
}

// kubernetesRecord leaves labels out where they are not known, so that a rule that
// rests on them cannot be evaluated, and a forbid then denies.
func kubernetesRecord(k *sallyport.Kubernetes) types.Record {
	m := types.RecordMap{
		"verb": types.String(k.Verb), "group": types.String(k.Group), "resource": types.String(k.Resource), "subresource": types.String(k.Subresource),
		"namespace": types.String(k.Namespace), "name": types.String(k.Name),
	}
	if k.LabelsKnown {
		labels := make([]types.Value, len(k.Labels))
		for i, l := range k.Labels {
			labels[i] = types.String(l)
		}
		m["labels"] = types.NewSet(labels...)
	}
	return types.NewRecord(m)
}

func approvalRecord(a *sallyport.Approval) types.Record {
	return types.NewRecord(types.RecordMap{
		"request": types.String(a.Request), "approver": types.String(a.Approver),
		"method": types.String(a.Authn.Method), "at": types.Long(a.At.Unix()),
	})
}

func (d *decider) class() string {
	if d.query.Statement == nil {
		return "connect"
	}
	return d.query.Statement.Class
}

// grantFor returns the grant of the context, or nil. At connect it is what
// lifts, so it is left out of the first evaluation.
func (d *decider) grantFor(lifted bool) *sallyport.Grant {
	switch {
	case d.lift != liftGrant:
		return d.grant
	case !lifted:
		return nil
	case d.grant != nil:
		return d.grant
	}
	g := sallyport.Grant{ID: "pending", Request: "pending", Principal: d.query.Principal.ID, Resource: d.query.Resource}
	if len(d.query.Roles) > 0 {
		g.Role = d.query.Roles[0]
	}
	return &g
}

// approvalFor is grantFor for approvals.
func (d *decider) approvalFor(lifted bool) *sallyport.Approval {
	switch {
	case d.lift != liftApproval || !lifted:
		return nil
	case d.approval != nil:
		return d.approval
	}
	return &sallyport.Approval{Request: "pending", Approver: "pending", At: d.query.Now}
}

// usableGrant returns the query's grant if it is this principal's, for this
// resource and a role of the query, and within its window.
func usableGrant(q *Query) *sallyport.Grant {
	g := q.Grant
	if g == nil || g.Principal != q.Principal.ID || g.Resource != q.Resource || !slices.Contains(q.Roles, g.Role) || !g.Active(q.Now) {
		return nil
	}
	return g
}

// usableApproval returns the query's approval if it names who gave it and that
// is somebody else.
func usableApproval(q *Query) *sallyport.Approval {
	a := q.Approval
	if a == nil || a.Request == "" || a.Approver == "" || a.Approver == q.Principal.ID {
		return nil
	}
	return a
}

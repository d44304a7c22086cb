// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go/types"
	sallyport "github.com/sallyport-dev/sallyport"
)

// Built-in rules: what decides where no policy does.
const (
	ruleControl     sallyport.RuleID = "sallyport.control"      // session housekeeping needs no permit
	ruleDefaultDeny sallyport.RuleID = "sallyport.default-deny" // no policy permits it
	ruleRefused     sallyport.RuleID = "sallyport.refused"      // the analyser refused the statement
	ruleIncomplete  sallyport.RuleID = "sallyport.incomplete"   // the query does not say enough to decide
	ruleApprovers   sallyport.RuleID = "sallyport.approvers"    // holds that different groups would lift
	ruleLimit       sallyport.RuleID = "sallyport.limit"        // too large to decide
	ruleNoPolicy    sallyport.RuleID = "sallyport.no-policy"    // no policy set is loaded
	reasonLabel                      = "label"                  // why an output is masked: a label without a permit
	reasonUnclass                    = "unclassified"           // ... nothing is known of its columns
	reasonLineage                    = "unknown-lineage"        // ... its columns are not known
	maxRequests                      = 1 << 16                  // authorization requests for one statement
	fixApprovers                     = "; give these rules one and the same group"
)

// Query is a question to a [Set]. Principal, Resource and Now are required.
type Query struct {
	Principal sallyport.Principal
	Roles     []sallyport.RoleID // the roles held now; at connect the role asked for
	Resource  sallyport.ResourceID
	// Grant is what the role rests on, if anything. It counts only if it is this
	// principal's, for this resource and one of Roles, and its window holds.
	Grant *sallyport.Grant
	// Approval is the decision that lifts this statement's hold. It counts only
	// if it names a request and an approver who is not the principal. Whether it
	// was given for this very statement, and by a member of the right group, is
	// for the caller to check: [sallyport.Verdict.Approvers] names the group.
	Approval      *sallyport.Approval
	Statement     *sallyport.Statement // nil for Connect
	Now           time.Time
	InTransaction bool
}

// Connect decides whether the principal may open a session on the resource. It
// asks for the action connect; Hold means that a grant is needed first, and
// then Approvers and Wait say who may give it and for how long at most.
func (s *Set) Connect(q Query) sallyport.Verdict {
	q.Statement = nil
	return s.decide(&q, liftGrant, nil)
}

// Decide decides about q.Statement. Hold means that an approval is needed
// first. With a usable approval in the query the answer is never Hold, and
// Approvers of an Allow names the group whose holds the approval lifted.
//
// Masks index into the statement's outputs. They are set on Allow, and on Hold
// as they stand before the approval.
func (s *Set) Decide(q Query) sallyport.Verdict {
	return s.decide(&q, liftApproval, nil)
}

// Hopeless reports whether q.Statement, about an object of a cluster whose labels are not
// known, is denied whatever labels the object has, and whoever approves: nobody needs to
// find them out. Where it is not certain, the answer is no.
func (s *Set) Hopeless(q Query) bool {
	if s == nil || q.Statement == nil || q.Statement.Refused != "" {
		return true
	}
	d := decider{set: s, query: &q, lift: liftApproval, anyLabels: true}
	d.begin()
	if !d.complete(q.Statement) {
		return true
	}
	for i := range q.Statement.Accesses {
		a := &q.Statement.Accesses[i]
		if a.Effect == sallyport.Control {
			continue
		}
		d.object.object(&a.Object)
		r := request{action: actionOf(a.Effect), object: &d.object, of: &a.Object, columns: a.Columns}
		if d.object.uid.Type != typeColumn && !d.evaluate(&r, false).allow() && !d.evaluate(&r, true).allow() {
			return true
		}
	}
	return false
}

// decide is the one code path of Connect, Decide and Explain.
func (s *Set) decide(q *Query, l lift, tr *Trace) sallyport.Verdict {
	if s == nil {
		return sallyport.Verdict{Rules: []sallyport.RuleID{ruleNoPolicy}, Reason: "no policy set is loaded, so everything is denied"}
	}
	d := decider{set: s, query: q, lift: l, trace: tr}
	switch {
	case q.Principal.ID == "" || q.Resource == "":
		d.deny("the query names no principal or no resource", ruleIncomplete)
	case l == liftGrant:
		d.begin()
		d.object.resource(q.Resource)
		d.access(&request{action: actionConnect, object: &d.object, of: &sallyport.Object{Kind: "resource", Path: []string{string(q.Resource)}}})
	case q.Statement == nil:
		d.deny("the query has no statement", ruleIncomplete)
	default:
		d.begin()
		d.statement(q.Statement)
	}
	return d.verdict()
}

// decider is the state of one decision.
type decider struct {
	set       *Set
	query     *Query
	lift      lift
	grant     *sallyport.Grant
	approval  *sallyport.Approval
	present   bool // what lifts is in the query
	principal entity
	trace     *Trace
	requests  int
	anyLabels bool // the answer is the best that an object's labels could bring

	object           entity // of the current request
	matched, pending []*rule
	results          [2]result
	scratch          types.RecordMap
	failed           []sallyport.Label // of the current output

	denied, held            bool
	reason                  string // of the first denial, else of the first hold
	denyRules, holdRules    []sallyport.RuleID
	allowRules              []sallyport.RuleID
	approvers               []string // distinct, of all holds that apply or were lifted
	wait                    time.Duration
	masks                   []sallyport.Mask
	allowed                 string // the first access that was permitted
	allowedCount, heldCount int
}

func (d *decider) begin() {
	d.principal = principalEntity(&d.query.Principal, d.query.Roles)
	d.grant, d.approval = usableGrant(d.query), usableApproval(d.query)
	d.present = d.lift == liftGrant && d.grant != nil || d.lift == liftApproval && d.approval != nil
}

// statement makes all requests that a statement needs.
func (d *decider) statement(st *sallyport.Statement) {
	if st.Refused != "" {
		d.deny(st.Refused, ruleRefused)
		return
	}
	if !d.complete(st) {
		return
	}
	for i := range st.Accesses {
		d.statementAccess(&st.Accesses[i])
	}
	for i := range st.Predicates {
		d.predicate(&st.Predicates[i])
	}
	for i := range st.Flows {
		d.flow(&st.Flows[i])
	}
	for i := range st.Outputs {
		d.output(i, &st.Outputs[i])
	}
}

// complete reports whether every effect is known and has something it acts on,
// and every object is one of this resource; if not, it denies.
func (d *decider) complete(st *sallyport.Statement) bool {
	if len(st.Effects) == 0 && len(st.Accesses) == 0 {
		d.deny("the statement's effects are not known", ruleIncomplete)
		return false
	}
	for _, e := range st.Effects {
		switch {
		case e == sallyport.Control:
			d.allowRules = append(d.allowRules, ruleControl)
		case actionOf(e) == actionNone:
			d.deny("an effect of the statement is not known", ruleIncomplete)
			return false
		case !slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool { return a.Effect == e }):
			d.deny("the objects of the statement's effect "+e.String()+" are not known", ruleIncomplete)
			return false
		}
	}
	for i := range st.Accesses {
		a := &st.Accesses[i]
		if a.Effect != sallyport.Control && actionOf(a.Effect) == actionNone {
			d.deny("an effect of the statement is not known", ruleIncomplete)
			return false
		}
		if !d.owned(&a.Object) {
			return false
		}
	}
	return true
}

// owned reports whether o is an object of the query's resource; if not, it
// denies.
func (d *decider) owned(o *sallyport.Object) bool {
	if len(o.Path) > 0 && o.Path[0] == string(d.query.Resource) {
		return true
	}
	d.deny("the statement names an object that is not of resource "+display(string(d.query.Resource)), ruleIncomplete)
	return false
}

func (d *decider) statementAccess(a *sallyport.Access) {
	if a.Effect == sallyport.Control {
		d.allowRules = append(d.allowRules, ruleControl)
		return
	}
	r := request{action: actionOf(a.Effect), object: &d.object, of: &a.Object, columns: a.Columns}
	d.object.object(&a.Object)
	if d.object.uid.Type != typeColumn {
		d.access(&r)
		return
	}
	col := sallyport.Column{Object: a.Object}
	if i := slices.IndexFunc(a.Columns, func(c sallyport.Column) bool { return slices.Equal(c.Object.Path, a.Object.Path) }); i >= 0 {
		col = a.Columns[i]
	}
	for _, l := range labelsOf(&col) {
		d.object.label(l)
		d.access(&r)
	}
}

// access makes a request whose denial cannot be met by masking, and adds the
// answer to the verdict.
func (d *decider) access(r *request) {
	if d.tooMany() {
		return
	}
	a := d.ask(r)
	d.lifting(a)
	switch a.outcome {
	case sallyport.Allow:
		d.allowRules = appendIDs(d.allowRules, a.decided.permits)
		if d.allowedCount == 0 {
			d.allowed = r.String()
		}
		d.allowedCount++
	case sallyport.Hold:
		d.hold(r, a)
	case sallyport.Deny:
		d.denyFor(r, a.decided)
	}
}

// tooMany reports whether the statement needs more requests than the limit; if
// so, it denies.
func (d *decider) tooMany() bool {
	if d.requests < maxRequests {
		return false
	}
	if d.requests == maxRequests {
		d.requests++
		d.deny("the statement touches too many columns to decide about", ruleLimit)
	}
	return true
}

// predicate asks for filterBy on each label of a column.
func (d *decider) predicate(c *sallyport.Column) {
	if !d.owned(&c.Object) {
		return
	}
	d.column(&c.Object)
	for _, l := range labelsOf(c) {
		d.object.label(l)
		d.access(&request{action: actionFilterBy, object: &d.object, of: &c.Object, column: c, label: l})
	}
}

// column sets the current object to a column, whatever kind the analyser gave
// it: labels lie on columns.
func (d *decider) column(o *sallyport.Object) {
	d.object.object(o)
	d.object.uid.Type = typeColumn
	if o.Kind == "" {
		d.object.kind = "column"
	}
}

// flow asks for declassify for each label that the target does not carry, and for
// those that it does carry when the value is altered and what the target shows in
// part is not the caller's to read: the part that is shown of note is not the part
// that is shown of reverse(note). A temporary table is private to its session, so writing there discloses nothing;
// in return, what is read from it is of unknown labels.
func (d *decider) flow(f *sallyport.Flow) {
	if k := f.Target.Object.Kind; k == "temp table" || k == "temp column" {
		return
	}
	if !d.owned(&f.Target.Object) {
		return
	}
	target := labelsOf(&f.Target)
	var asked []sallyport.Label
	unknown := f.Unknown
	for i := range f.Sources {
		if isUnknown(&f.Sources[i]) {
			unknown = true
			continue
		}
		for _, l := range labelsOf(&f.Sources[i]) {
			if slices.Contains(asked, l) || slices.Contains(target, l) && !d.exposes(f, l) {
				continue
			}
			asked = append(asked, l)
			d.declassify(f, target, l, false)
		}
	}
	if unknown {
		d.declassify(f, target, labelUnknown, true)
	}
}

// exposes reports whether a flow between two columns with label l may show more of
// the value than the masks of either. What is written stays, so that it matters
// whether anybody may have the target scanned, and not who writes.
func (d *decider) exposes(f *sallyport.Flow, l sallyport.Label) bool {
	if !f.Altered || d.tooMany() {
		return false
	}
	d.column(&f.Target.Object)
	d.object.label(l)
	if !f.Partial && !d.set.scans(&d.object) {
		return false
	}
	a := d.ask(&request{action: actionReadRaw, object: &d.object, of: &f.Target.Object, column: &f.Target, label: l})
	return a.outcome != sallyport.Allow
}

// declassify asks once for each label of the target, so that a permit for one of
// them does not open the others.
func (d *decider) declassify(f *sallyport.Flow, target []sallyport.Label, source sallyport.Label, unknown bool) {
	d.column(&f.Target.Object)
	for _, l := range target {
		d.object.label(l)
		d.access(&request{
			action: actionDeclassify, object: &d.object, of: &f.Target.Object, column: &f.Target,
			label: source, source: source, unknown: unknown,
		})
	}
}

// output masks an output unless readRaw is permitted on every label of every
// column it derives from, and always if these are not known.
func (d *decider) output(i int, o *sallyport.Output) {
	d.failed = d.failed[:0]
	unknown := o.Unknown
	for j := range o.Sources {
		unknown = unknown || isUnknown(&o.Sources[j])
	}
	for j := range o.Sources {
		d.source(&o.Sources[j], unknown)
	}
	if !unknown && len(d.failed) == 0 {
		return
	}
	slices.Sort(d.failed)
	m := sallyport.Mask{Output: i, Labels: append([]sallyport.Label{}, slices.Compact(d.failed)...), Reason: reasonLabel}
	switch {
	case unknown:
		m.Reason = reasonLineage
	case len(m.Labels) == 1 && m.Labels[0] == sallyport.Unclassified:
		m.Reason = reasonUnclass
	}
	m.Scan = m.Reason != reasonLineage && d.scanned(o, m.Labels)
	d.masks = append(d.masks, m)
}

// scanned reports whether an output may be shown with what a scanner finds in it
// masked: it is a column as it is (a scanner finds nothing in a text that was
// turned round), and readScanned is permitted on each label for which readRaw is
// not. A hold is a refusal here, for nobody is asked about a mask.
func (d *decider) scanned(o *sallyport.Output, labels []sallyport.Label) bool {
	if !o.Direct || len(o.Sources) != 1 {
		return false
	}
	var rules []sallyport.RuleID
	for j := range o.Sources {
		c := &o.Sources[j]
		d.column(&c.Object)
		for _, l := range labelsOf(c) {
			if !slices.Contains(labels, l) {
				continue
			}
			if d.tooMany() {
				return false
			}
			d.object.label(l)
			a := d.ask(&request{action: actionReadScanned, object: &d.object, of: &c.Object, column: c, label: l})
			if a.outcome != sallyport.Allow || len(a.lifted) > 0 {
				return false
			}
			rules = appendIDs(rules, a.decided.permits)
		}
	}
	d.allowRules = append(d.allowRules, rules...)
	return true
}

// source asks for readRaw on each label of a column and notes those refused. A
// hold is no more than a refusal when the output stays masked in any case:
// nobody is asked for what would not be given.
func (d *decider) source(c *sallyport.Column, masked bool) {
	if !d.owned(&c.Object) {
		return
	}
	d.column(&c.Object)
	for _, l := range labelsOf(c) {
		if d.tooMany() {
			return
		}
		d.object.label(l)
		r := request{action: actionReadRaw, object: &d.object, of: &c.Object, column: c, label: l}
		a := d.ask(&r)
		if masked && len(a.lifted) > 0 {
			d.failed = append(d.failed, l)
			continue
		}
		d.lifting(a)
		switch a.outcome {
		case sallyport.Allow:
			d.allowRules = appendIDs(d.allowRules, a.decided.permits)
		case sallyport.Hold:
			d.hold(&r, a)
		case sallyport.Deny:
			d.failed = append(d.failed, l)
			d.allowRules = appendIDs(appendIDs(d.allowRules, a.decided.forbids), a.decided.failed)
		}
	}
}

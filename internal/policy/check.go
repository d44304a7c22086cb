// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go/types"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
	sallyport "github.com/sallyport-dev/sallyport"
)

// Defaults of the annotations.
const (
	defaultExpires = 15 * time.Minute
	defaultMax     = time.Hour
)

// reservedPrefix begins the ids of the rules that are built in.
const reservedPrefix = "sallyport."

// checker checks one parsed policy and fills its rule.
type checker struct {
	c   *compiler
	r   *rule
	ast *xast.Policy
	seg segment
}

func (k *checker) errorf(format string, args ...any) {
	k.c.report(k.r.file, k.seg.line, k.seg.column, SeverityError, k.r.id, fmt.Sprintf(format, args...))
}

func (k *checker) warnf(format string, args ...any) {
	k.c.report(k.r.file, k.seg.line, k.seg.column, SeverityWarning, k.r.id, fmt.Sprintf(format, args...))
}

func (k *checker) check(ordinal int) {
	notes := k.annotations()
	k.identify(notes, ordinal)
	k.actions()
	k.principal()
	k.resource()
	k.conditions()
	k.lift(notes)
	k.labelScope()
}

// annotations returns the policy's annotations and warns of unknown ones. A
// misspelt @hold leaves a plain forbid, which denies, so a warning is enough.
func (k *checker) annotations() map[string]string {
	notes := map[string]string{}
	for _, a := range k.ast.Annotations {
		key := string(a.Key)
		notes[key] = string(a.Value)
		switch key {
		case "id", "hold", "expires", "grant", "max", "description", "breakglass":
		default:
			k.warnf("annotation @%s is not known and has no effect; known are @id, @description, @hold, @expires, @grant, @max, @breakglass", key)
		}
	}
	return notes
}

func (k *checker) identify(notes map[string]string, ordinal int) {
	k.r.id = sallyport.RuleID(fmt.Sprintf("%s:%d", k.r.file, ordinal))
	id, given := notes["id"]
	if !given {
		return
	}
	switch {
	case id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:/-", r)
	}):
		k.errorf("@id(%q) must be 1 to 128 letters, digits or \"._:/-\"", id)
	case strings.HasPrefix(id, reservedPrefix):
		k.errorf("@id(%q): ids that begin with %q are reserved for built-in rules", id, reservedPrefix)
	default:
		k.r.id = sallyport.RuleID(id)
	}
}

func (k *checker) actions() {
	var uids []types.EntityUID
	switch s := k.ast.Action.(type) {
	case xast.ScopeTypeAll:
		k.r.actions = openActions
		if k.r.forbid {
			k.r.actions = allActions
		}
		return
	case xast.ScopeTypeEq:
		uids = []types.EntityUID{s.Entity}
	case xast.ScopeTypeIn:
		uids = []types.EntityUID{s.Entity}
	case xast.ScopeTypeInSet:
		uids = s.Entities
	}
	if len(uids) == 0 {
		k.errorf("the policy names no action, so it never applies")
	}
	for _, uid := range uids {
		if a, ok := k.action(uid); ok {
			k.r.actions |= 1 << a
		}
	}
}

func (k *checker) action(uid types.EntityUID) (action, bool) {
	a, ok := parseAction(string(uid.ID))
	if uid.Type != typeAction || !ok {
		k.errorf("%s is not an action; the actions are %s, as in Action::\"read\"", uid, actionNames())
		return actionNone, false
	}
	return a, true
}

func (k *checker) principal() {
	k.r.principal = k.scope(k.ast.Principal)
	for _, t := range []types.EntityType{k.r.principal.typ, k.r.principal.uid.Type} {
		if t != "" && !isPrincipalType(t) && (isObjectType(t) || t == typeAction) {
			k.errorf("a principal is never %s; its types are Principal, Group, Role and Kind", t)
		}
	}
}

func (k *checker) resource() {
	k.r.resource = k.scope(k.ast.Resource)
	for _, t := range []types.EntityType{k.r.resource.typ, k.r.resource.uid.Type} {
		if t != "" && (isPrincipalType(t) || t == typeAction) {
			k.errorf("a resource is never %s; its types are Resource, Schema, Table, Column, Label and others of the reference", t)
		}
	}
}

func (k *checker) scope(n xast.IsScopeNode) scope {
	switch s := n.(type) {
	case xast.ScopeTypeAll:
		return scope{}
	case xast.ScopeTypeEq:
		k.entity(s.Entity)
		return scope{op: scopeEq, uid: s.Entity}
	case xast.ScopeTypeIn:
		k.entity(s.Entity)
		return scope{op: scopeIn, uid: s.Entity}
	case xast.ScopeTypeIs:
		k.entityType(s.Type)
		return scope{op: scopeIs, typ: s.Type}
	case xast.ScopeTypeIsIn:
		k.entityType(s.Type)
		k.entity(s.Entity)
		return scope{op: scopeIsIn, typ: s.Type, uid: s.Entity}
	}
	k.errorf("this form of scope is not known")
	return scope{}
}

func (k *checker) entityType(t types.EntityType) bool {
	if isPrincipalType(t) || isObjectType(t) || t == typeAction {
		return true
	}
	k.errorf("%s is not an entity type; principals are Principal, Group, Role and Kind, objects are Resource, Schema, Table, Column, Label and others of the reference", t)
	return false
}

// entity checks a constant entity: a name that no object can have would make a
// forbid that never applies.
func (k *checker) entity(uid types.EntityUID) {
	if uid.Type == typeAction {
		k.action(uid)
		return
	}
	if !k.entityType(uid.Type) {
		return
	}
	id := string(uid.ID)
	if id == "" {
		k.errorf("%s names nothing", uid)
		return
	}
	parts := 0
	switch uid.Type {
	case typeKind:
		if !sallyport.PrincipalKind(id).Valid() {
			k.errorf("%s is not a kind of principal; they are service-account, ci-job, ai-agent and human", uid)
		}
	case typeLabel:
		if strings.HasPrefix(id, ".") || strings.HasSuffix(id, ".") || strings.Contains(id, "..") {
			k.errorf("%s is not a label; a label is words joined by dots, such as \"phi.ssn\"", uid)
		}
	case typeResource:
		parts = 1
	case typeSchema:
		parts = 2
	case typeTable:
		parts = 3
	case typeColumn:
		parts = 4
	}
	if uid.Type == typePath && strings.Count(id, "/") == 0 {
		k.errorf("%s cannot exist: a Path is named by its resource and the route below it, as in \"records/patients/{mrn}\"", uid)
	}
	if _, rest, _ := strings.Cut(id, "/"); uid.Type == typeURL && !strings.Contains(strings.SplitN(rest, "/", 2)[0], ":%2F%2F") {
		k.errorf("%s cannot exist: a Url is named by its resource and the address below it, as in \"warehouse/gs:%%2F%%2Fbucket/folder\"", uid)
	}
	if uid.Type == typeCommand && strings.Count(id, "/") != 1 {
		k.errorf("%s cannot exist: a Command is named by its resource and its template, as in \"web/disk-usage\", or by \"web/*\" or \"web/shell\"", uid)
	}
	if parts > 0 && strings.Count(id, "/") != parts-1 {
		k.errorf("%s cannot exist: a %s is named by %s", uid, uid.Type,
			[]string{
				`its resource, as in "clinic"`, `resource/schema, as in "clinic/public"`,
				`resource/schema/table, as in "clinic/public/patients"`,
				`resource/schema/table/column, as in "clinic/public/patients/ssn"`,
			}[parts-1])
	}
}

// lift reads @hold and @grant with their companions.
func (k *checker) lift(notes map[string]string) {
	hold, isHold := notes["hold"]
	grant, isGrant := notes["grant"]
	if _, ok := notes["expires"]; ok && !isHold {
		k.errorf("@expires belongs to @hold")
	}
	if _, ok := notes["max"]; ok && !isGrant {
		k.errorf("@max belongs to @grant")
	}
	switch {
	case isHold && isGrant:
		k.errorf("a policy has @hold or @grant, not both")
	case isHold:
		k.lifted("hold", hold, "approval", "expires", notes["expires"], liftApproval, defaultExpires)
		if k.r.actions.has(actionConnect) {
			k.errorf("@hold cannot hold a connection: list the actions it holds without connect, or use @grant for connect")
		}
	case isGrant:
		k.lifted("grant", grant, "grant", "max", notes["max"], liftGrant, defaultMax)
		if k.r.actions&^(1<<actionConnect) != 0 {
			k.errorf("@grant belongs on a forbid of Action::\"connect\" alone")
		}
	case k.r.forbid && k.liftedBy("approval"):
		k.warnf("nobody is asked for the approval that would lift this forbid: add @hold(\"group:...\")")
	}
}

func (k *checker) lifted(note, approvers, key, windowNote, text string, l lift, preset time.Duration) {
	if !k.r.forbid {
		k.errorf("@%s belongs on a forbid, so that no permit can walk around it", note)
	}
	if name, ok := strings.CutPrefix(approvers, "group:"); !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		k.errorf("@%s(%q) must name who decides, as in @%s(\"group:privacy-officers\")", note, approvers, note)
	}
	if k.r.forbid && !k.liftedBy(key) {
		k.errorf("@%s needs `unless { context has %s }`, else no decision could ever lift this forbid", note, key)
	}
	d, err := window(text, preset)
	if err != nil {
		k.errorf("@%s(%s)", windowNote, err)
	}
	k.r.lift, k.r.approvers, k.r.wait = l, approvers, d
}

// liftedBy reports whether an unless clause is `context has key`, alone or as
// one side of an "or", so that the key's presence always lifts the forbid.
func (k *checker) liftedBy(key string) bool {
	for _, c := range k.ast.Conditions {
		if c.Condition == xast.ConditionUnless && orHas(c.Body, key) {
			return true
		}
	}
	return false
}

func orHas(n xast.IsNode, key string) bool {
	switch n := n.(type) {
	case xast.NodeTypeOr:
		return orHas(n.Left, key) || orHas(n.Right, key)
	case xast.NodeTypeHas:
		return isVariable(n.Arg, "context") && string(n.Value) == key
	}
	return false
}

func isVariable(n xast.IsNode, name string) bool {
	v, ok := n.(xast.NodeTypeVariable)
	return ok && string(v.Name) == name
}

// labelScope refuses a policy whose resource is a label or a column but whose
// actions act on whole objects: it would never apply.
func (k *checker) labelScope() {
	s := k.r.resource
	for _, t := range []types.EntityType{s.typ, s.uid.Type} {
		if (t == typeLabel || t == typeColumn) && k.r.actions != 0 && k.r.actions&columnActions == 0 {
			k.errorf("no action of this policy acts on a %s: only readRaw, readScanned, filterBy and declassify do; for the others look at the labels with context.labels.contains(\"phi\")", t)
			return
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	sallyport "github.com/sallyport-dev/sallyport"
)

// action is what a policy permits or forbids. The first ones equal the effects
// of a statement, so that an effect converts without a table.
type action uint8

const (
	actionNone action = iota
	actionRead
	actionWrite
	actionDelete
	actionDefine
	actionDestroy
	actionExecute
	actionAdminister
	actionConnect
	actionReadRaw
	actionReadScanned
	actionFilterBy
	actionDeclassify
	actionCount
)

// String returns the action's Cedar id, or "" for none.
func (a action) String() string {
	switch a {
	case actionRead, actionWrite, actionDelete, actionDefine, actionDestroy, actionExecute, actionAdminister:
		return sallyport.Effect(a).String()
	case actionConnect:
		return "connect"
	case actionReadRaw:
		return "readRaw"
	case actionReadScanned:
		return "readScanned"
	case actionFilterBy:
		return "filterBy"
	case actionDeclassify:
		return "declassify"
	}
	return ""
}

// actionOf returns the action of an effect, or none for unknown and control.
func actionOf(e sallyport.Effect) action {
	if e >= sallyport.Read && e <= sallyport.Administer {
		return action(e)
	}
	return actionNone
}

// parseAction returns the action with a Cedar id.
func parseAction(id string) (action, bool) {
	for a := actionRead; a < actionCount; a++ {
		if a.String() == id {
			return a, true
		}
	}
	return actionNone, false
}

// actionSet is a set of actions as a bit mask.
type actionSet uint16

func (s actionSet) has(a action) bool { return s&(1<<a) != 0 }

// allActions is the set of every action; columnActions those that act on a
// column rather than on a whole object; openActions those that a permit means
// that names no action. To show a text with only the findings of a scanner
// masked is a risk that somebody has to take by name.
const (
	allActions    = actionSet(1<<actionCount - 1<<actionRead)
	columnActions = actionSet(1<<actionReadRaw | 1<<actionReadScanned | 1<<actionFilterBy | 1<<actionDeclassify)
	openActions   = allActions &^ (1 << actionReadScanned)
)

func actionNames() string {
	var names []string
	for a := actionRead; a < actionCount; a++ {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

// Entity types that the gateway makes.
const (
	typePrincipal  types.EntityType = "Principal"
	typeGroup      types.EntityType = "Group"
	typeRole       types.EntityType = "Role"
	typeKind       types.EntityType = "Kind"
	typeAction     types.EntityType = "Action"
	typeResource   types.EntityType = "Resource"
	typeSchema     types.EntityType = "Schema"
	typeTable      types.EntityType = "Table"
	typeColumn     types.EntityType = "Column"
	typeLabel      types.EntityType = "Label"
	typePath       types.EntityType = "Path"       // a route of an API, or a folder of files
	typeBody       types.EntityType = "Body"       // what a path is answered with
	typeURL        types.EntityType = "Url"        // an address in a store, or a folder of them
	typeCommand    types.EntityType = "Command"    // a command at a target
	typeOutput     types.EntityType = "Output"     // what it prints
	typeConnection types.EntityType = "Connection" // to a place outside the target, and what comes from there
	typeObject     types.EntityType = "Object"     // an object whose kind has no name that Cedar could write
)

// isPrincipalType reports whether entities of type t can be a principal or its
// ancestor.
func isPrincipalType(t types.EntityType) bool {
	switch t {
	case typePrincipal, typeGroup, typeRole, typeKind:
		return true
	}
	return false
}

// isObjectType reports whether entities of type t can be an object or its
// ancestor. The list is closed, because a misspelt type in a forbid would be a
// prohibition that never applies.
func isObjectType(t types.EntityType) bool {
	switch t {
	case typeResource, typeSchema, typeTable, typeColumn, typeLabel, typePath, typeURL, typeCommand, typeConnection, typeObject,
		"Project", "Job", "Model", "Database", "Function", "DbRole", "Sequence", "Index", "Constraint", "Trigger", "Rule", "Type", "Domain",
		"Extension", "Policy", "Publication", "Subscription", "Server", "ForeignDataWrapper", "Tablespace",
		"Language", "Collation", "Conversion", "Operator", "Cast", "Setting", "Statistics", "EventTrigger",
		"AccessMethod", "Transform", "LargeObject", "Parameter", "TextSearchObject":
		return true
	}
	return false
}

// entityType returns the Cedar type for an object's kind: tables, views and
// whatever else holds rows are Table; the rest is the kind in upper camel case.
func entityType(kind string) types.EntityType {
	switch kind {
	case "table", "view", "materialized view", "foreign table", "partitioned table", "temp table", "temp view":
		return typeTable
	case "column", "temp column":
		return typeColumn
	case "schema":
		return typeSchema
	case "resource":
		return typeResource
	case "path":
		return typePath
	case "body":
		return typeBody
	case "command":
		return typeCommand
	case "output":
		return typeOutput
	case "database":
		return "Database"
	case "function", "procedure", "aggregate", "routine":
		return "Function"
	case "role":
		return "DbRole"
	case "index":
		return "Index"
	case "sequence":
		return "Sequence"
	}
	t := types.EntityType(camel(kind))
	switch {
	case t == "", t == typeAction, t == typeLabel, isPrincipalType(t), t[0] < 'A' || t[0] > 'Z':
		return typeObject
	}
	return t
}

// camel joins the words of s, each with its first letter in upper case, and
// drops whatever is neither letter nor digit of ASCII.
func camel(s string) string {
	var b strings.Builder
	start := true
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' && start:
			b.WriteRune(r - 'a' + 'A')
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			start = true
			continue
		}
		start = false
	}
	return b.String()
}

// need is what the conditions of a policy look at, as a bit mask.
type need uint16

const (
	needColumns need = 1 << iota
	needLabels
	needSource
	needClass
	needInTransaction
	needHour
	needWeekday
	needNow
	needGrant
	needApproval
	needKubernetes
	needObjectLabels // of context.kubernetes
	needAttributes   // of the principal or the object
)

// needOf returns the bit of an attribute of the context.
func needOf(key string) (need, bool) {
	switch key {
	case "columns":
		return needColumns, true
	case "labels":
		return needLabels, true
	case "source":
		return needSource, true
	case "class":
		return needClass, true
	case "in_transaction":
		return needInTransaction, true
	case "hour":
		return needHour, true
	case "weekday":
		return needWeekday, true
	case "now":
		return needNow, true
	case "grant":
		return needGrant, true
	case "approval":
		return needApproval, true
	case "kubernetes":
		return needKubernetes, true
	}
	return 0, false
}

const (
	needTime    = needHour | needWeekday | needNow
	needContext = needAttributes - 1 // the whole context
	contextKeys = "approval, class, columns, grant, hour, in_transaction, kubernetes, labels, now, source, weekday"
)

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

// class is an event class of OCSF with the activities that are used.
type class struct {
	uid, category int
	name          string
	categoryName  string
	activities    map[int]string
}

const (
	iamName         = "Identity & Access Management"
	applicationName = "Application Activity"
)

var (
	baseEvent      = class{uid: 0, category: 0, name: "Base Event", categoryName: "Uncategorized"}
	authentication = class{uid: 3002, category: 3, name: "Authentication", categoryName: iamName, activities: map[int]string{
		1: "Logon", 2: "Logoff",
	}}
	authorizeSession = class{uid: 3003, category: 3, name: "Authorize Session", categoryName: iamName, activities: map[int]string{
		1: "Assign Privileges",
	}}
	entityManagement = class{uid: 3004, category: 3, name: "Entity Management", categoryName: iamName, activities: map[int]string{
		1: "Create", 2: "Read", 3: "Update", 4: "Delete", 10: "Activate", 11: "Deactivate",
	}}
	applicationLifecycle = class{uid: 6002, category: 6, name: "Application Lifecycle", categoryName: applicationName, activities: map[int]string{
		3: "Start", 4: "Stop",
	}}
	apiActivity = class{uid: 6003, category: 6, name: "API Activity", categoryName: applicationName, activities: map[int]string{
		0: "Unknown", 1: "Create", 2: "Read", 3: "Update", 4: "Delete",
	}}
	datastoreActivity = class{uid: 6005, category: 6, name: "Datastore Activity", categoryName: applicationName, activities: map[int]string{
		0: "Unknown", 4: "Query", 5: "Write", 6: "Create", 7: "Delete",
	}}
)

// datastores are the protocols whose statements are of a datastore. What another
// one carries is an API call.
var datastores = map[string]bool{"postgres": true, "mysql": true, "bigquery": true}

// activityOf are the activities of an effect. What has none is "Other" under the
// effect's own name.
type activityOf struct{ datastore, api int }

// effectOrder lists effects from the gravest: a statement that does several
// things is named after that one.
var effectOrder = [...]struct {
	effect string
	activityOf
}{
	{"destroy", activityOf{7, 4}},
	{"delete", activityOf{7, 4}},
	{"administer", activityOf{99, 99}},
	{"define", activityOf{6, 1}},
	{"execute", activityOf{99, 99}},
	{"write", activityOf{5, 3}},
	{"read", activityOf{4, 2}},
	{"control", activityOf{99, 99}},
}

// tagActivities are the activities of the first word of a result.
var tagActivities = map[string]activityOf{
	"SELECT": {4, 2}, "FETCH": {4, 2}, "COPY": {99, 99},
	"INSERT": {5, 3}, "UPDATE": {5, 3}, "MERGE": {5, 3}, "DELETE": {7, 4}, "TRUNCATE": {7, 4}, "DROP": {7, 4},
	"CREATE": {6, 1}, "ALTER": {6, 1},
}

// disposition is what a control did, in the words of the profile
// security_control.
type disposition struct {
	action, id   int
	actionName   string
	name, inWord string // inWord is the decision of an authorization
}

var (
	allowed  = disposition{1, 1, "Allowed", "Allowed", "allow"}
	approved = disposition{1, 8, "Allowed", "Approved", "allow"}
	blocked  = disposition{2, 2, "Denied", "Blocked", "deny"}
	rejected = disposition{2, 25, "Denied", "Rejected", "deny"}
	revoked  = disposition{2, 24, "Denied", "Access Revoked", "deny"}
	delayed  = disposition{3, 14, "Observed", "Delayed", "hold"}
	masked   = disposition{4, 99, "Modified", "Masked", "mask"}
)

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

// InventoryTable is the table of machine identities.
const InventoryTable = tableMachines

// The tables. Their directories are the items of OCR's audit protocol.
const (
	tableMachines       = "01-access-control/machine-identities"
	tableGrants         = "01-access-control/access-grants"
	tableRequests       = "01-access-control/requests"
	tableApprovals      = "01-access-control/approval-log"
	tableRoles          = "01-access-control/roles"
	tableAccess         = "01-access-control/access-paths"
	tableSettings       = "01-access-control/settings"
	tableIdentities     = "02-unique-identification/principals"
	tableSessions       = "02-unique-identification/sessions"
	tableEmergency      = "03-emergency-access/emergency-grants"
	tableApprovers      = "03-emergency-access/approvers"
	tableLogoffSettings = "04-automatic-logoff/session-limits"
	tableLogoffs        = "04-automatic-logoff/ended-by-the-gateway"
	tableStatements     = "05-audit-controls/session-audit-log"
	tableLiveness       = "05-audit-controls/liveness"
	tableChanges        = "06-integrity/changes"
	tableHolds          = "06-integrity/holds"
	tableRefusals       = "06-integrity/refusals"
	tableLogins         = "07-authentication/logins"
	tableTokens         = "07-authentication/gateway-tokens"
	tableIssuers        = "07-authentication/issuers"
	tableConnections    = "08-transmission-security/connections"
	tableResources      = "08-transmission-security/resources"
	tableReviews        = "09-activity-review/evidence-access"
	tableReviewed       = "09-activity-review/reviews"
	tableMasking        = "10-minimum-necessary/masking-evidence"
	tableFindings       = "10-minimum-necessary/scan-findings"
	tableSheet          = "10-minimum-necessary/role-sheet"
	tableUnused         = "10-minimum-necessary/unused-access"
)

// Tables returns the tables of every bundle.
func Tables() []Table { return append(accessTables(), activityTables()...) }

// accessTables are those about who may do what, and who they are.
func accessTables() []Table {
	return []Table{
		{tableMachines, "a machine identity, as of a day: its owner, what it may do and by whose leave, its last use, its review", []string{
			"principal", "kind", "issuer", "subject", "owner", "purpose", "ticket", "registered_as", "groups", "standing", "just_in_time",
			"active_grants", "approvers", "sessions_under_grants", "sessions_without_grant", "last_login", "last_use", "last_review",
			"reviewed_by", "next_review", "overdue", "unknown_owner", "as_of",
		}},
		{tableIdentities, "a principal that logged in, asked, was granted or connected", []string{
			"principal", "kind", "issuer", "subject", "groups", "methods", "roles", "resources", "first_seen", "last_used",
			"sessions", "statements", "denials", "grants", "active_grants", "approvers", "as_of",
		}},
		{tableGrants, "a grant: who, what, how long, under which policy", []string{
			"grant", "request", "principal", "resource", "role", "not_before", "not_after", "state", "ended", "by", "reason",
			"policy", "policy_text", "leaf",
		}},
		{tableRequests, "a request for access or for the release of a held statement", []string{
			"request", "kind", "opened", "principal", "resource", "role", "reason", "approvers", "window_ms", "expires",
			"session", "statement", "readable", "objects", "effects", "rules", "policy", "binding",
			"decision", "decided", "approver", "rationale", "state", "leaf",
		}},
		{tableApprovals, "a human's decision about a request", []string{
			"request", "kind", "decision", "time", "approver", "groups", "issuer", "subject", "method", "token_id",
			"authenticated", "rationale", "binding", "leaf",
		}},
		{tableRoles, "who could ask for or hold a role, and from when to when", []string{"role", "resources", "members", "from", "to", "leaf"}},
		{tableAccess, "what the policies answered to a member of a role who connects without a grant", []string{
			"role", "resource", "access", "approvers", "max_window_ms", "rules", "policy", "from", "to", "leaf",
		}},
		{tableSettings, "a setting that access depends on", []string{"setting", "values", "from", "to", "leaf"}},
		{tableSessions, "a session: which identity, by which authentication, on what", []string{
			"session", "principal", "kind", "issuer", "subject", "method", "token_id", "resource", "protocol", "role", "grant",
			"client", "lineage", "policy", "rules", "notes", "opened", "closed", "close_reason",
			"statements", "denials", "events", "head", "recording", "chunks", "leaf",
		}},
		{tableEmergency, "a grant that its rule or its reason marks as emergency access", []string{
			"grant", "request", "principal", "resource", "role", "marked_by", "reason", "not_before", "not_after", "state", "ended",
			"approver", "decided", "rationale", "leaf",
		}},
		{tableApprovers, "a group to which requests were put, and what its members decided", []string{
			"approvers", "kind", "requests", "approved", "denied", "undecided", "people",
		}},
		{tableLogoffSettings, "how long a session may be silent and how long it may last", []string{
			"resource", "idle_ms", "longest_ms", "sessions_at_once", "from", "to", "leaf",
		}},
		{tableLogoffs, "a session that the gateway ended, and why", []string{
			"session", "principal", "resource", "opened", "closed", "reason", "leaf",
		}},
	}
}

// activityTables are those about what was done, and about the record itself.
func activityTables() []Table {
	return []Table{
		{tableStatements, "a statement, in the order in which they ended: verdict, rules, success or failure, code", []string{
			"session", "statement", "time", "principal", "resource", "phase", "mode", "class", "readable", "effects", "objects",
			"masked_outputs", "verdict", "reason", "rules", "policy", "grant", "request", "approver", "result", "status", "code",
			"tag", "rows", "bytes", "micros", "digest", "leaf", "outcome_leaf",
		}},
		{tableLiveness, "a stretch in which the gateway was on record as alive, or what the record lacks", []string{"kind", "from", "to", "epoch", "what"}},
		{tableChanges, "a statement that changes data or structure, run or refused", []string{
			"session", "statement", "time", "principal", "resource", "readable", "effects", "objects", "verdict", "reason",
			"request", "approver", "result", "code", "rows", "leaf",
		}},
		{tableHolds, "a statement that waited for a human before it could run", []string{
			"request", "session", "statement", "opened", "principal", "resource", "readable", "effects", "objects", "rules", "approvers",
			"decision", "decided", "approver", "rationale", "state", "leaf",
		}},
		{tableRefusals, "a statement or a connection that was refused", []string{
			"session", "statement", "time", "principal", "resource", "class", "readable", "effects", "objects", "reason", "rules", "policy",
			"request", "leaf",
		}},
		{tableLogins, "a login, accepted or refused", []string{
			"time", "accepted", "principal", "kind", "issuer", "subject", "method", "token_id", "client", "reason", "leaf",
		}},
		{tableTokens, "a gateway token, issued or revoked", []string{
			"time", "action", "token_id", "principal", "resource", "role", "grant", "expires", "by", "leaf",
		}},
		{tableIssuers, "who vouched for identities", []string{"issuer", "url", "audiences", "from", "to", "leaf"}},
		{tableConnections, "how a session was protected on both legs", []string{
			"session", "opened", "principal", "client", "client_tls", "resource", "target_tls", "notes", "leaf",
		}},
		{tableResources, "a target, and how the gateway reaches it", []string{
			"resource", "type", "target", "tls", "lineage", "intent", "from", "to", "leaf",
		}},
		{tableReviews, "somebody looked at evidence", []string{"time", "what", "by", "of", "purpose", "tree_size", "leaf"}},
		{tableReviewed, "a person's word that activity, or the access of an identity, was reviewed", []string{
			"time", "kind", "by", "principal", "from", "to", "note", "tree_size", "leaf",
		}},
		{tableMasking, "what was masked in one column of one answer, and by which rule; no values", []string{
			"session", "statement", "time", "output", "columns", "labels", "reason", "operator", "profile", "seen", "masked",
			"nulls", "leaf",
		}},
		{tableFindings, "what a scanner found and masked inside values", []string{
			"session", "statement", "time", "output", "columns", "locus", "entity", "rule", "operator", "detector", "profile", "hits", "leaf",
		}},
		{tableSheet, "an object or a column that a principal touched under a role", []string{
			"principal", "role", "resource", "kind", "name", "effect", "statements", "refused", "labels", "operators", "values", "masked",
			"nulls", "last",
		}},
		{tableUnused, "a role or a grant that no session of the bundle used", []string{
			"kind", "name", "principal", "role", "resource", "access", "members", "not_before", "not_after",
		}},
	}
}

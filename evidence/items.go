// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

// item is one of the subjects that auditors of the HIPAA Security Rule ask
// about, with what a bundle says to it.
type item struct {
	dir      string // of its tables
	title    string
	citation string // 45 CFR
	question string
	shows    string
	lacks    string
}

// items in the order of OCR's audit protocol. The questions are in words of our
// own.
func items() []item {
	return []item{
		{
			"01-access-control", "Access control", "164.312(a)(1), 164.308(a)(4)(ii)(B) and (C)",
			"Which people and programs, service accounts above all, can reach the data, at which level, who approved it, and is it reviewed?",
			"Every machine identity as of a day with owner, what it may do with and without a grant, last use and last review; each grant with its " +
				"window and the policy that limited it; each request and who decided it, why; roles, access paths and settings with the time in which they held.",
			"Accounts that reach the data beside the gateway. What one principal may do inside a role is the policy's text in policies/, not a list.",
		},
		{
			"02-unique-identification", "Unique identification", "164.312(a)(2)(i)",
			"Is each identity unique, and can every action be traced to one?",
			"Each principal with issuer and subject as the issuer asserted them, and each session with the one principal it belongs to, how it " +
				"authenticated and from where.",
			"Who stands behind an identity at its issuer.",
		},
		{
			"03-emergency-access", "Emergency access procedure", "164.312(a)(2)(ii)",
			"Who can begin emergency access, was it used, and did it end when the emergency did?",
			"There is no way around approval: emergency access is a grant like any other, with a window, approved by a person. emergency-grants has those " +
				"whose rule (@breakglass) or reason says so; approvers says which groups were asked and who of them decided.",
			"Procedures for systems that are reached without the gateway.",
		},
		{
			"04-automatic-logoff", "Automatic logoff", "164.312(a)(2)(iii)",
			"After how long does a session without activity end, and does that work?",
			"The limits of each target with the time in which they held (idle_ms 0 is no limit), and each session that the gateway itself ended, with the reason.",
			"Logoff of people at workstations.",
		},
		{
			"05-audit-controls", "Audit controls", "164.312(b)",
			"Is activity recorded, all of it, and can the record be examined?",
			"Each statement in order with principal, verdict, rules, success, failure, error code and size; and the times in which the record is not whole: " +
				"silences, sessions that were not ended, statements that may have executed, stretches that were not signed.",
			"Activity that did not pass the gateway. The exact texts of statements are sealed to the auditors' keys; what is readable here has its literals masked.",
		},
		{
			"06-integrity", "Integrity", "164.312(c)(1) and (2)",
			"How is data protected from improper alteration and destruction, and how would one know?",
			"Each statement that changes data or structure, run or refused; each one that was held for a human and what was decided; each refusal.",
			"That the data in the target itself is unaltered. The record's own integrity is shown by the checkpoint and the verifier.",
		},
		{
			"07-authentication", "Person or entity authentication", "164.312(d), 164.308(a)(5)(ii)(C)",
			"How does a person, a program or a process prove to be who it says, and are failed attempts seen?",
			"Each login, accepted or refused and why, with the issuer and a digest of the token; tokens that the gateway issued and revoked; the issuers that were trusted.",
			"How the issuer authenticated the identity.",
		},
		{
			"08-transmission-security", "Transmission security", "164.312(e)(1), (2)(i) and (2)(ii)",
			"Is data protected on its way, on both sides?",
			"For each session the protocol and cipher on the client's and on the target's side; for each target the mode that was configured.",
			"Networks and links behind the target.",
		},
		{
			"09-activity-review", "Information system activity review", "164.308(a)(1)(ii)(D)",
			"Are records of activity reviewed regularly, by whom, and is that documented?",
			"Each attested review with who, when, of what time and what was found; each look at evidence: exports with their purpose, replays.",
			"Reviews that were made elsewhere and not attested here.",
		},
		{
			"10-minimum-necessary", "Minimum necessary", "164.502(b), 164.514(d)",
			"Is access limited to what the purpose needs?",
			"What was masked in each answer, by which rule and how often, without values; what a scanner found in free text; per principal and role the objects " +
				"and columns touched; roles and grants that nobody used.",
			"Columns that were shown in clear have no row of their own: an object in role-sheet and no column of it in masking-evidence means that nothing of it was " +
				"masked. Masked data is not de-identified data.",
		},
	}
}

// artifact is one of the things that auditors ask for by name.
type artifact struct {
	name  string
	table string // "" for one that is no table
	files string
	what  string
}

func artifacts() []artifact {
	return []artifact{
		{"Approval log", tableApprovals, "", "who approved or denied what, when, with which words, and how they had authenticated"},
		{"Session audit log", tableStatements, "", "each statement with success, failure, error code, rules and approval"},
		{"Masking evidence", tableMasking, "", "which column of which answer was masked, by which rule, how many values"},
		{"Access-grant records", tableGrants, "", "each grant with its window and the policy that limited it"},
		{"Replay files", "", ReplayDir + "SESSION.ndjson", "what the client of a session saw, masked as it was; present as far as recordings can be decoded"},
		{"Inventory of machine identities", tableMachines, "", "owner, access, last use and review of every machine identity as of a day"},
	}
}

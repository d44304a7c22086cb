// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
)

// TestPageIsSelfContained checks that the verifier for browsers takes nothing
// from elsewhere, that nothing but its own text can run in it, and that it never
// takes a text for HTML.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	page := string(evidence.VerifierPage())
	digests := func(tag string) (out string) {
		for _, m := range regexp.MustCompile(`(?s)<`+tag+`(?: id="core")?>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1) {
			sum := sha256.Sum256([]byte(m[1]))
			out += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		return out
	}
	want := "default-src 'none'; script-src" + digests("script") + "; style-src" + digests("style") + "; worker-src blob:; base-uri 'none'; form-action 'none'"
	if !strings.Contains(page, `<meta http-equiv="Content-Security-Policy" content="`+want+`">`) {
		t.Errorf("the policy must be:\n%s", want)
	}
	for _, bad := range []string{
		"://", " src=", " href=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch(",
		"XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "importScripts", "localStorage", "indexedDB", " style=", " onclick=",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	if !strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"en\">") || strings.Contains(page, "\r") {
		t.Error("the page has no language, or lines that end in two characters")
	}
}

// notDerived are the tables that the verifier for browsers does not derive yet;
// it tells the auditor so, and docs/limits.md says it too.
func notDerived() []string {
	return []string{
		"01-access-control/machine-identities", "01-access-control/roles", "01-access-control/access-paths", "01-access-control/settings",
		"03-emergency-access/emergency-grants", "03-emergency-access/approvers", "04-automatic-logoff/session-limits", "05-audit-controls/liveness",
		"06-integrity/holds", "06-integrity/refusals", "07-authentication/issuers", "08-transmission-security/resources", "09-activity-review/reviews",
		"10-minimum-necessary/role-sheet", "10-minimum-necessary/unused-access",
	}
}

// TestPageDerivesEveryTable checks that the verifier for browsers knows the
// tables with their columns.
func TestPageDerivesEveryTable(t *testing.T) {
	t.Parallel()
	page := string(evidence.VerifierPage())
	left := notDerived()
	for _, table := range evidence.Tables() {
		line := "['" + table.Name + "', '" + strings.Join(table.Columns, " ") + "'],"
		if known := slices.Contains(left, table.Name); strings.Contains(page, line) == known {
			t.Errorf("verify.html derives the table or does not, other than it is listed: %s", line)
		}
	}
	if n := strings.Count(page, ": ['0") + strings.Count(page, ": ['1"); n != len(evidence.Tables())-len(left) {
		t.Errorf("verify.html has %d tables, a bundle %d", n, len(evidence.Tables()))
	}
	if !strings.Contains(page, "'"+evidence.BundleFormat+"'") {
		t.Error("verify.html is for another format of bundles")
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"regexp"
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
	for _, bad := range []string{
		"://", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch(",
		"XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "importScripts", "localStorage", "indexedDB", " style=", " onclick=",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	// The script computes pages with links, which it compares and never shows.
	markup := regexp.MustCompile(`(?s)<script[^>]*>.*?</script>`).ReplaceAllString(page, "")
	for _, bad := range []string{" src=", " href="} {
		if strings.Contains(markup, bad) {
			t.Errorf("the page has %q in its markup", bad)
		}
	}
	if !strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"en\">") || strings.Contains(page, "\r") {
		t.Error("the page has no language, or lines that end in two characters")
	}
}

// TestPageIsForThisFormat checks that the page reads the bundles that are written.
func TestPageIsForThisFormat(t *testing.T) {
	t.Parallel()
	if !strings.Contains(string(evidence.VerifierPage()), "'"+evidence.BundleFormat+"'") {
		t.Error("verify.html is for another format of bundles")
	}
}

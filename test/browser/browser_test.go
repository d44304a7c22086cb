// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/test/browser"
	"github.com/sallyport-dev/sallyport/test/forgery"
)

// open opens the page for a test.
func open(t *testing.T) *browser.Page {
	t.Helper()
	p, err := browser.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check gives the page a bundle and fails the test where it cannot be asked.
func check(t *testing.T, p *browser.Page, bundle []byte, given browser.Given) browser.Result {
	t.Helper()
	r, err := p.Check(bundle, given)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantQuiet(t *testing.T, p *browser.Page) {
	t.Helper()
	if s := p.Strange(); len(s) > 0 {
		t.Errorf("the page did what it should not: %v", s)
	}
}

// TestHonestBundles gives the page bundles in which nothing is wrong.
func TestHonestBundles(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	kept, size := l.Keep()
	l.Crash()
	p := open(t)
	keyed := browser.Given{Keys: l.Key}
	for _, c := range []struct {
		name   string
		filter export.Filter
		given  browser.Given
		kind   string
		words  []string
	}{
		{"whole log", export.Filter{}, keyed, "good", []string{
			"VERIFIED", "the whole log up to the checkpoint", "Statements that may have executed (1)", "s_open", "29 heartbeats are missing", "no stop event",
		}},
		{"a session", export.Filter{Session: "s_one"}, keyed, "good", []string{"VERIFIED", "a part of the log"}},
		{"a resource", export.Filter{Resource: "lab"}, keyed, "good", []string{"VERIFIED", "a part of the log"}},
		{"no key", export.Filter{}, browser.Given{}, "untrusted", []string{"VERIFIED BUT NOT TRUSTED", "taken from the bundle itself"}},
		{"everything given", export.Filter{Earlier: []uint64{size}}, browser.Given{
			Keys: l.Key, Checkpoints: string(kept), SealKeys: "# seals\n" + l.SealKey.Secret(), Policy: string(l.Witnesses),
		}, "good", []string{"grew out of 1 checkpoint", "4 of 4 made by the keys", "quorum reached, by the policy that you gave"}},
	} {
		bundle := l.Bundle(c.filter)
		r := check(t, p, bundle, c.given)
		if r.Kind != c.kind || len(r.Faults) > 0 {
			t.Errorf("%s: %q %q %v", c.name, r.Kind, r.Stopped, r.Faults)
		}
		for _, w := range c.words {
			if !strings.Contains(r.Text, w) {
				t.Errorf("%s: the page does not say %q:\n%s", c.name, w, r.Text)
			}
		}
	}
	rows, err := p.Rows("05-audit-controls/session-audit-log", "S_ONE drop")
	if err != nil || len(rows) != 1 || !strings.Contains(strings.Join(rows[0], "|"), "DROP TABLE patients|deny|not forwarded|s_one") {
		t.Errorf("rows: %q, %v", rows, err)
	}
	rows, err = p.Rows("05-audit-controls/session-audit-log", "s_one select")
	if err != nil || len(rows) != 2 || !strings.Contains(strings.Join(rows[0], "|"), "<script>alert(1)</script>") || strings.Contains(rows[0][3], "\u202e") {
		t.Errorf("rows with odd text: %q, %v", rows, err)
	}
	l.Erase()
	if r := check(t, p, l.Bundle(export.Filter{}), keyed); !r.OK() || !strings.Contains(r.Text, "no longer stored") {
		t.Errorf("erased ciphertexts: %+v", r)
	}
	wantQuiet(t, p)
}

// TestTwelveManipulations gives the page what test/forgery gives to the verifier
// in Go.
func TestTwelveManipulations(t *testing.T) {
	t.Parallel()
	l, cases := forgery.Cases(t)
	p := open(t)
	for _, c := range cases {
		var kept strings.Builder
		for _, cp := range c.Checkpoints {
			kept.Write(cp)
		}
		r := check(t, p, c.Bundle, browser.Given{Keys: l.Key, Checkpoints: kept.String(), Policy: string(c.Policy)})
		found := false
		for _, f := range r.Faults {
			found = found || f.File == c.File && strings.Contains(f.Msg, c.Words)
		}
		if r.Kind != "bad" || !found || !strings.Contains(r.Words, "FAILED") {
			t.Errorf("%v: %q %q, no fault in %s with %q among %v", c, r.Kind, r.Stopped, c.File, c.Words, r.Faults)
		}
	}
	wantQuiet(t, p)
}

// TestWhatIsNotComputed gives the page files that it cannot derive from events:
// the bundle's own witness policy, which it reads, and one that it does not know.
func TestWhatIsNotComputed(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	p := open(t)
	bundle := l.Bundle(export.Filter{})
	all := forgery.Files(t, bundle)
	all["ledger/witness.policy"], all["summary.txt"] = l.Witnesses, []byte("all is well\n")
	r := check(t, p, l.Resign(bundle, all, nil), browser.Given{Keys: l.Key})
	for _, w := range []string{"files that follow from no event", "summary.txt", "except those that the notices name", "quorum reached, by the bundle's own policy, NOT TRUSTED"} {
		if !r.OK() || !strings.Contains(r.Text, w) {
			t.Errorf("%q: %+v", w, r)
		}
	}
	signed := all[evidence.CheckpointName]
	all[evidence.CheckpointName] = signed[:bytes.LastIndexByte(signed[:len(signed)-1], '\n')+1]
	r = check(t, p, l.Resign(bundle, all, nil), browser.Given{Keys: l.Key})
	if w := "the quorum of the bundle's own witness policy is not reached"; !r.OK() || !strings.Contains(r.Text, w) {
		t.Errorf("%q: %+v", w, r)
	}
}

// TestNarrowAndLabelled checks what can be checked of a page's use without eyes:
// that nothing lies outside of a narrow window, and that each field has a name.
func TestNarrowAndLabelled(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	p := open(t)
	if r := check(t, p, l.Bundle(export.Filter{}), browser.Given{}); !r.OK() {
		t.Fatalf("%+v", r)
	}
	for _, scheme := range []string{"light", "dark"} {
		if png, err := p.Picture(360, scheme); err != nil || len(png) == 0 {
			t.Fatal(err)
		}
		wide, err := p.Evaluate("String(document.scrollingElement.scrollWidth)")
		if err != nil || wide != "360" {
			t.Errorf("%s: the page is %s pixels wide in a window of 360 (%v)", scheme, wide, err)
		}
	}
	bare, err := p.Evaluate("[...document.querySelectorAll('input, textarea, select')].filter(e => e.labels.length === 0).map(e => e.id).join(' ')")
	if err != nil || bare != "" {
		t.Errorf("without a label: %q (%v)", bare, err)
	}
	focus, err := p.Evaluate("document.activeElement.id")
	if err != nil || focus != "verdict" {
		t.Errorf("the focus is on %q, not on the verdict (%v)", focus, err)
	}
	if pdf, err := p.Print(); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Errorf("printed: %d bytes, %v", len(pdf), err)
	}
}

// TestDrop drags a bundle onto the page.
func TestDrop(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	p := open(t)
	name := filepath.Join(t.TempDir(), "dropped.zip")
	if err := os.WriteFile(name, l.Bundle(export.Filter{}), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Drop(name, browser.Given{Keys: l.Key}); err != nil || r.Kind != "good" || !strings.Contains(r.Text, "dropped.zip") {
		t.Errorf("%v, %+v", err, r)
	}
	wantQuiet(t, p)
}

// TestMistakes gives the page what it cannot use: it must not say anything of
// the bundle then.
func TestMistakes(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	p := open(t)
	bundle := l.Bundle(export.Filter{})
	for words, given := range map[string]browser.Given{
		"key that you trust is malformed": {Keys: l.Key[:len(l.Key)-1]},
		"64 hexadecimal digits":           {SealKeys: "abc"},
		"no quorum line":                  {Policy: "witness a " + l.Key},
		"does not fit":                    {Keys: strings.Replace(l.Key, "gw7", "gw8", 1)},
	} {
		if words == "no quorum line" {
			given.Policy = "# nothing\n"
		}
		r := check(t, p, bundle, given)
		if r.Kind != "" || !strings.Contains(r.Stopped, words) {
			t.Errorf("%q: %+v", words, r)
		}
	}
	if r := check(t, p, bundle, browser.Given{Keys: l.OtherKey}); r.Kind != "bad" {
		t.Errorf("another key: %+v", r)
	}
	for _, b := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("PK\x05\x06"), 40), bundle[:len(bundle)/2], append(bytes.Clone(bundle), 0)} {
		if r := check(t, p, b, browser.Given{Keys: l.Key}); r.Kind != "bad" || len(r.Faults) == 0 {
			t.Errorf("%d bytes: %+v", len(b), r)
		}
	}
	wantQuiet(t, p)
}

// TestOldBundles holds the page to the bundles of the first release of the
// format, as package evidence is.
func TestOldBundles(t *testing.T) {
	t.Parallel()
	bundle, err := os.ReadFile("../../evidence/testdata/bundle_v2.zip")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("../../evidence/testdata/bundle_v2.key")
	if err != nil {
		t.Fatal(err)
	}
	p := open(t)
	r := check(t, p, bundle, browser.Given{Keys: string(key)})
	if want, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{strings.TrimSpace(string(key))}}); err != nil || !want.OK() || r.Kind != "good" {
		t.Errorf("%v, %+v", err, r)
	}
	wantQuiet(t, p)
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestRemembered masks strings that were looked at before and mean something else now.
// A masker remembers in the memory of its runs, so that each case is masked twice.
func TestRemembered(t *testing.T) {
	t.Parallel()
	const ten = "2125550142"
	for name, tt := range map[string]struct{ in, want string }{
		"behind another name": {`[{"code":"` + ten + `"},{"phone":"` + ten + `"},{"code":"` + ten + `"}]`, `[{"code":"` + ten + `"},{"phone":"[PHONE]"},{"code":"` + ten + `"}]`},
		"below another rule":  {`[{"x":{"ssn":"plain"}},{"y":{"ssn":"plain"}},{"x":{"ssn":"plain"}}]`, `[{"x":{"ssn":"plain"}},{"y":{"ssn":"[SSN]"}},{"x":{"ssn":"plain"}}]`},
		"below another path":  {`{"v":"{\"ssn\":\"plain\"}","top":{"v":"{\"ssn\":\"plain\"}"}}`, `{"v":"{\"ssn\":\"plain\"}","top":{"v":"{\"ssn\":\"[SSN]\"}"}}`},
		"as a document":       {`["plain","\"plain\"","{\"phone\":\"` + ten + `\"}","` + ten + `"]`, `["plain","\"plain\"","{\"phone\":\"[PHONE]\"}","` + ten + `"]`},
		"names":               {`[{"":1,"a":2},{"` + mail + `":1,"":2},{"":{"":3}}]`, `[{"":1,"a":2},{"[EMAIL]":1,"":2},{"":{"":3}}]`},
		"names behind paths":  {`[{"y":{"ssn":"1"},"ssn":"1"},{"ssn":"1","y":{"ssn":"1"}}]`, `[{"y":{"ssn":"[SSN]"},"ssn":"1"},{"ssn":"1","y":{"ssn":"[SSN]"}}]`},
		"long ones":           {`["` + strings.Repeat("a", 300) + `","` + strings.Repeat("a", 300) + ` ` + mail + `"]`, `["` + strings.Repeat("a", 300) + `","` + strings.Repeat("a", 300) + ` [EMAIL]"]`},
		"long names":          {`{"` + strings.Repeat("a", 300) + `":1,"` + strings.Repeat("b", 300) + `":2,"x":3}`, `{"` + strings.Repeat("a", 300) + `":1,"` + strings.Repeat("b", 300) + `":2,"x":3}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{
				"$..y.ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}, "$.top.v.ssn": {Action: jsonmask.Mask, Label: "phi.ssn"},
			}})
			for range 3 {
				var w text.Work
				got, err := m.Append(nil, []byte(tt.in), &w)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, string(got)); diff != "" {
					t.Errorf("masked (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestRememberedMany has so many strings that some take the places of others.
func TestRememberedMany(t *testing.T) {
	t.Parallel()
	m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{"$.top.v[*].ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}}})
	const n = 3000
	list := func(form string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(form, i))
		}
		return strings.Join(all, ",")
	}
	const doc = `"{\"n\":\"row %d\",\"ssn\":\"plain\"}"`
	for name, tt := range map[string]struct{ before, in, mark string }{
		"values":    {`[` + list(`"plain %d"`) + `]`, `[` + list(`"m%d@saltmarsh.example"`) + `]`, "[EMAIL]"},
		"names":     {`{` + list(`"plain %d":1`) + `}`, `{` + list(`"m%d@saltmarsh.example":1`) + `}`, "[EMAIL]"},
		"behind":    {`[` + list(`{"code_%d":"2125550142"}`) + `]`, `[` + list(`{"phone_%d":"2125550142"}`) + `]`, "[PHONE]"},
		"elsewhere": {`{"v":[` + list(doc) + `]}`, `{"top":{"v":[` + list(doc) + `]}}`, "[SSN]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w text.Work
			if got, err := m.Append(nil, []byte(tt.before), &w); err != nil || string(got) != tt.before {
				t.Fatalf("what is plain is masked: %.80s, %v", got, err)
			}
			got, err := m.Append(nil, []byte(tt.in), &w)
			if k := strings.Count(string(got), tt.mark[:len(tt.mark)-1]); err != nil || k != n {
				t.Errorf("%d of %d are masked: %.120s, %v", k, n, got, err)
			}
		})
	}
}

// TestRememberedKnown has a word become known after it was looked at.
func TestRememberedKnown(t *testing.T) {
	t.Parallel()
	m := masker(t, jsonmask.Rules{})
	const in = `{"note":"seen by quillfeather","quillfeather":"x"}`
	for i, want := range []string{in, `{"note":"seen by [NAME]","[NAME]":"x"}`, in} {
		var w text.Work
		if i == 1 {
			w.Known.Add(scan.Name, []byte("Quillfeather"))
		}
		if got, err := m.Append(nil, []byte(in), &w); err != nil || string(got) != want {
			t.Errorf("%d: %s, %v", i, got, err)
		}
	}
}

// TestRememberedCounts: what is found and kept is counted each time.
func TestRememberedCounts(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) }
	p, err := profile.Compile(profile.Spec{Name: profile.NeedToKnow, Entities: map[scan.Entity]operator.Spec{scan.Email: {Kind: operator.Keep}}}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := jsonmask.Compile(&text.Masker{Scanner: s, Profile: p}, jsonmask.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	in := fmt.Sprintf(`[%q,%q,{%q:1},{%q:1}]`, mail, mail, mail, mail)
	var w text.Work
	if got, err := m.Append(nil, []byte(in), &w); err != nil || string(got) != in {
		t.Fatalf("%s, %v", got, err)
	}
	n := uint64(0)
	for _, c := range w.Tally.Take() {
		n += c.N
	}
	if n != 4 {
		t.Errorf("%d findings are counted, not 4", n)
	}
}

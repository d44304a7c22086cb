// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestBehind: the name of a member says what its value is.
func TestBehind(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	for in, want := range map[string]string{
		`{"ssn_number":900112233,"phone":2125550142,"mrn":12345678,"dob":19740506,"age":97}`: `{"ssn_number":null,"phone":null,"mrn":null,"dob":1974,"age":null}`,
		`{"ssnNumber":"900112233","home-phone":"2125550142","age":"97","zip":"62701"}`:       `{"ssnNumber":"[SSN]","home-phone":"[PHONE]","age":"90+","zip":"62700"}`,
		`{"ssn":9.00112233e8,"SSN":900112233.0,"s\u0073n":"900112233"}`:                      `{"ssn":null,"SSN":null,"s\u0073n":"[SSN]"}`,
		`{"ssn":["900112233",[900112234]],"n":900112235}`:                                    `{"ssn":["[SSN]",[null]],"n":900112235}`,
		`{"ssn":{"a":900112233}}`:                             `{"ssn":{"a":900112233}}`,
		`{"ssn":"{\"value\":1}","doc":"{\"ssn\":900112233}"}`: `{"ssn":"{\"value\":1}","doc":"{\"ssn\":null}"}`,
		`{"order":"212-555-0142"}`:                            `{"order":"[PHONE]"}`,
		`{"value":13.20,"n":1.0e3,"id":7}`:                    `{"value":13.20,"n":1.0e3,"id":7}`,
	} {
		var w text.Work
		got, err := m.Append(nil, []byte(in), &w)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// TestBehindNames: so it does for names in small letters, where names are looked
// for.
func TestBehindNames(t *testing.T) {
	p := texts(t)
	l, err := lexicon.Load()
	if err != nil {
		t.Fatal(err)
	}
	if p.Scanner, err = scan.New(scan.Options{Names: scan.NamesListed, Lexicon: l}); err != nil {
		t.Fatal(err)
	}
	m, err := jsonmask.Compile(p, jsonmask.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	var w text.Work
	got, err := m.Append(nil, []byte(`{"last_name":"quillfeather","status":"final","colour":"quillfeather"}`), &w)
	if want := `{"last_name":"[NAME]","status":"final","colour":"quillfeather"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// TestEncodings writes a number in every way that is decoded.
func TestEncodings(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	const plain = "ssn 900-11-2233, otto@saltmarsh.example"
	b64 := base64.StdEncoding.EncodeToString([]byte(plain))
	wide := strings.Join(strings.Split(plain, ""), "\x00") + "\x00"
	for name, in := range map[string]string{
		"in lines":             b64[:20] + "\n" + b64[20:40] + "\r\n" + b64[40:],
		"in words":             b64[:20] + " " + b64[20:40] + "\t" + b64[40:],
		"with space around":    " " + b64 + " ",
		"of both alphabets":    base64.StdEncoding.EncodeToString([]byte(">>>" + plain))[:4] + strings.ReplaceAll(b64, "+", "-"),
		"in a text":            "payload: " + b64,
		"of a login":           "Basic " + base64.StdEncoding.EncodeToString([]byte("otto@saltmarsh.example:x")),
		"in a token":           base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","n":1}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"email":"otto@saltmarsh.example"}`)) + ".",
		"in armour":            "-----BEGIN X-----\n" + b64 + "\n-----END X-----",
		"short":                base64.StdEncoding.EncodeToString([]byte("900-11-2233")),
		"of UTF-16":            base64.StdEncoding.EncodeToString([]byte("\xff\xfe" + wide)),
		"of Latin-1":           base64.StdEncoding.EncodeToString([]byte(plain + " \xe9")),
		"of an archive":        base64.StdEncoding.EncodeToString([]byte("\x1f\x8b\x08\x00 and what follows")),
		"hexadecimal":          "0x3930302d31312d32323333",
		"hexadecimal, in SQL":  `\x3930302d31312d32323333`,
		"hexadecimal, marked":  "39:30:30:2d:31:31:2d:32:32:33:33",
		"of a URL, short":      "o%40x.example",
		"of HTML":              "otto&#64;saltmarsh.example",
		"of HTML, hexadecimal": "otto&#x40;saltmarsh.example",
		"of programs":          `900\u002d11\u002d2233`,
		"of programs, in C":    `900\x2d11\x2d2233`,
		"JSON in five strings": quoted(quoted(quoted(quoted(quoted(`{"a":1}`))))),
	} {
		for _, doc := range []string{`[` + quoted(in) + `]`, `{` + quoted(in) + `:1}`} {
			if name == "JSON in five strings" && doc[0] == '{' {
				continue // a name is no document
			}
			var w text.Work
			got, err := m.Append(nil, []byte(doc), &w)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), "[ENCODED]") || strings.Contains(string(got), b64[:12]) {
				t.Errorf("%s: %s became %s", name, doc, got)
			}
		}
	}
}

// TestNotEncoded: what only looks like an encoding stays.
func TestNotEncoded(t *testing.T) {
	m := masker(t, jsonmask.Rules{})
	for _, in := range []string{
		`["0f8fad5b-d9cb-469f-a165-70867728950e"]`, `["administrative-gender and observation-category"]`, `["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]`,
		`["n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="]`, `["50% of R&D, C:\\users\\new"]`, `["a sentence of short words and no marks at all that goes on"]`,
	} {
		var w text.Work
		got, err := m.Append(nil, []byte(in), &w)
		if err != nil {
			t.Fatal(err)
		}
		// An identifier may be masked as one, but not as something encoded.
		if strings.Contains(string(got), "[ENCODED]") || strings.Contains(string(got), "[PHOTO]") {
			t.Errorf("%s became %s", in, got)
		}
	}
}

// TestLinesWithin: a string may hold documents by the line.
func TestLinesWithin(t *testing.T) {
	m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{"$..key": {Action: jsonmask.Mask, Label: "phi.ssn"}}})
	var w text.Work
	got, err := m.Append(nil, []byte(`["{\"key\":\"a\"}\n{\"key\":\"b\"}\n"]`), &w)
	if want := `["{\"key\":\"[SSN]\"}\n{\"key\":\"[SSN]\"}\n"]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

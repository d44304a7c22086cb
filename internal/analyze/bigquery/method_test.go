// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// sdk returns where the Google Cloud CLI is installed. It cannot be installed by
// a script; where it is missing, that is said, and SALLYPORT_REQUIRE_GCLOUD makes
// it a failure.
func sdk(t *testing.T) (root string, ok bool) {
	t.Helper()
	path, err := exec.LookPath("bq")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		if os.Getenv("SALLYPORT_REQUIRE_GCLOUD") != "" {
			t.Fatal("the Google Cloud CLI is not installed, and SALLYPORT_REQUIRE_GCLOUD is set")
		}
		fmt.Fprintf(os.Stderr, "NOT TESTED: %s: the Google Cloud CLI (bq) is not installed\n", t.Name())
		return "", false
	}
	return filepath.Dir(filepath.Dir(path)), true
}

type discovered struct {
	Parameters map[string]any                `json:"parameters"`
	Resources  map[string]discoveredResource `json:"resources"`
	Schemas    map[string]discoveredSchema   `json:"schemas"`
}

type discoveredResource struct {
	Methods map[string]discoveredMethod `json:"methods"`
}

type discoveredMethod struct {
	ID       string `json:"id"`
	HTTP     string `json:"httpMethod"`
	Path     string `json:"path"`
	FlatPath string `json:"flatPath"`
	Media    bool   `json:"supportsMediaUpload"`
	Request  struct {
		Ref string `json:"$ref"`
	}
	Response struct {
		Ref string `json:"$ref"`
	}
	Parameters map[string]struct {
		Type     string `json:"type"`
		Format   string `json:"format"`
		Location string `json:"location"`
		Repeated bool   `json:"repeated"`
	} `json:"parameters"`
}

type discoveredSchema struct {
	Ref         string                      `json:"$ref"`
	Type        string                      `json:"type"`
	Format      string                      `json:"format"`
	ReadOnly    bool                        `json:"readOnly"`
	Properties  map[string]discoveredSchema `json:"properties"`
	Items       *discoveredSchema           `json:"items"`
	Values      *discoveredSchema           `json:"additionalProperties"`
	Description string                      `json:"description"`
}

// installed reads the discovery document that is inside the installed CLI.
func installed(t *testing.T) (discovered, bool) {
	t.Helper()
	var doc discovered
	root, ok := sdk(t)
	if !ok {
		return doc, false
	}
	var data []byte
	err := filepath.WalkDir(filepath.Join(root, "platform", "bq"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || data != nil || d.Name() != "bigquery.json" {
			return err
		}
		data, err = os.ReadFile(path)
		return err
	})
	if err != nil || data == nil {
		t.Fatalf("no discovery document in the installed CLI: %v", err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc, true
}

func (d discovered) methods() map[string]discoveredMethod {
	out := map[string]discoveredMethod{}
	for _, r := range d.Resources {
		for _, m := range r.Methods {
			out[m.ID] = m
		}
	}
	return out
}

// TestMethodsAreThoseOfTheInterface compares the table with the document that
// Google's own client carries.
func TestMethodsAreThoseOfTheInterface(t *testing.T) {
	t.Parallel()
	doc, ok := installed(t)
	if !ok {
		return
	}
	theirs := doc.methods()
	if len(theirs) < 40 {
		t.Fatalf("only %d methods in the installed document", len(theirs))
	}
	ours := map[string]bigquery.Method{}
	for _, m := range bigquery.Methods() {
		ours[m.ID] = m
	}
	for _, id := range slices.Sorted(maps.Keys(theirs)) {
		if _, ok := ours[id]; !ok {
			t.Errorf("%s is missing", id)
		}
	}
	for id, m := range ours {
		d, ok := theirs[id]
		if !ok {
			t.Errorf("%s is not in the installed document", id)
			continue
		}
		if m.HTTP != d.HTTP || m.Request != d.Request.Ref || m.Answer != d.Response.Ref || m.Media != d.Media || m.Class == bigquery.ClassUnknown {
			t.Errorf("%s is %+v, and %+v in the document", id, m, d)
		}
		if a, b := bare(m.Path), bare(d.FlatPath); a != b {
			t.Errorf("%s has the path %s, and %s in the document", id, a, b)
		}
		var want []string
		for name, p := range d.Parameters {
			if p.Location != "query" {
				continue
			}
			word := p.Type
			if p.Format != "" {
				word = p.Format
			}
			if p.Repeated {
				word += "*"
			}
			if word != "string" {
				name += "=" + word
			}
			want = append(want, name)
		}
		got := strings.Fields(m.Params)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the parameters %v, and %v in the document", id, got, want)
		}
	}
}

// bare is a template without the names of its parameters.
func bare(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			_, verb, ok := strings.Cut(p, "}")
			parts[i] = "{}"
			if ok {
				parts[i] += verb
			}
		}
	}
	return strings.Join(parts, "/")
}

// TestFieldsAreThoseOfTheInterface sends each field that the document has, one at
// a time, at the top of each request's body: none may be unknown to us.
func TestFieldsAreThoseOfTheInterface(t *testing.T) {
	t.Parallel()
	doc, ok := installed(t)
	if !ok {
		return
	}
	ours := bigquery.Fields()
	if len(ours) < 60 {
		t.Fatalf("only %d schemas", len(ours))
	}
	for name, fields := range ours {
		schema, ok := doc.Schemas[name]
		if !ok {
			continue // of an object without a name there; met below its parent
		}
		for field := range schema.Properties {
			if _, ok := fields[field]; !ok {
				t.Errorf("%s.%s of the document is missing", name, field)
			}
		}
		for field, kind := range fields {
			p, ok := schema.Properties[field]
			if !ok {
				if kind != "!" { // what clients send in the wrong place
					t.Errorf("%s.%s is not in the document", name, field)
				}
				continue
			}
			if want := kindOf(p); kind != "-" && kind != "!" && kind != "s" && kind != want {
				t.Errorf("%s.%s is %q, and %q in the document", name, field, kind, want)
			}
			output := strings.HasPrefix(strings.ToLower(p.Description), "output only") || strings.HasPrefix(strings.ToLower(p.Description), "[output-only]")
			if kind == "-" && !p.ReadOnly && !output {
				t.Errorf("%s.%s is dropped, and not the service's alone in the document", name, field)
			}
		}
	}
}

// kindOf is the mark of a type in our own form.
func kindOf(s discoveredSchema) string {
	switch {
	case s.Ref != "" || s.Type == "object" && len(s.Properties) > 0:
		return "@"
	case s.Type == "array":
		return "["
	case s.Type == "object" && s.Values != nil:
		return "{"
	case s.Type == "boolean":
		return "b"
	case s.Type == "integer", s.Type == "number", strings.HasSuffix(s.Format, "int64"):
		return "n"
	case s.Type == "string":
		return "t"
	}
	return "a"
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/policy"
)

func (a *app) policyCommand() *cobra.Command {
	var path string
	check := withConfig(a.command("check [FILE...]", "Compile policies and report every problem with its line", cobra.ArbitraryArgs,
		func(_ context.Context, args []string) error { return a.policyCheck(path, args) }), &path)
	test := a.command("test DIR", "Run the cases that lie beside the policies", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error { return a.policyTest(args[0]) })
	return a.group("policy", "Check, test and explain policies", check, test, a.policyExplainCommand())
}

// policyFiles are the patterns that arguments, or else a configuration, name.
func policyFiles(path string, args []string) ([]config.Path, error) {
	if len(args) == 0 && path == "" {
		return nil, usage("name policy files or a directory of them, or a configuration with --config FILE")
	}
	if len(args) == 0 {
		cfg, err := loadConfig(path)
		if err != nil {
			return nil, err
		}
		return cfg.Policy.Files, nil
	}
	if path != "" {
		return nil, usage("name files or --config, not both")
	}
	var out []config.Path
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			arg = filepath.Join(arg, "*.cedar")
		}
		out = append(out, config.Path(arg))
	}
	return out, nil
}

func (a *app) policyCheck(path string, args []string) error {
	files, err := policyFiles(path, args)
	if err != nil {
		return err
	}
	set, err := a.compile(files)
	if err != nil {
		return err
	}
	return a.show(map[string]any{"valid": true, "policies": set.Len(), "digest": set.Digest()}, table{
		head: []string{"POLICIES", "DIGEST"}, rows: [][]string{{fmt.Sprint(set.Len()), string(set.Digest())}},
	})
}

// caseResult is the JSON form of how one case came out.
type caseResult struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Name     string   `json:"name"`
	Passed   bool     `json:"passed"`
	Outcome  string   `json:"outcome"`
	Problems []string `json:"problems"`
}

// policyTest compiles the policies of a directory and runs the cases beside
// them. YAML files without cases (labels, say) are named and left alone.
func (a *app) policyTest(dir string) error {
	set, err := a.compile([]config.Path{config.Path(filepath.Join(dir, "*.cedar"))})
	if err != nil {
		return err
	}
	cases, err := a.cases(dir)
	if err != nil {
		return err
	}
	results := []caseResult{}
	t := table{head: []string{"RESULT", "CASE", "OUTCOME", "PROBLEMS"}}
	failed := 0
	for _, r := range policy.RunCases(set, cases) {
		c := caseResult{
			File: r.Case.File, Line: r.Case.Line, Name: r.Case.Name, Passed: r.Passed(),
			Outcome: r.Got.Outcome.String(), Problems: append([]string{}, r.Problems...),
		}
		word := "pass"
		if !c.Passed {
			word = "FAIL"
			failed++
		}
		results = append(results, c)
		t.rows = append(t.rows, []string{word, fmt.Sprintf("%s:%d %s", c.File, c.Line, c.Name), c.Outcome, strings.Join(c.Problems, "; ")})
	}
	if err := a.show(results, t); err != nil {
		return err
	}
	if failed > 0 {
		return sallyport.E(sallyport.Integrity, "policy test", fmt.Sprintf("%d of %d cases failed", failed, len(results))).
			WithHint("sallyport policy explain shows how a verdict came about")
	}
	fmt.Fprintf(a.Stderr, "%d cases passed\n", len(results))
	return nil
}

// cases reads every file of cases in a directory.
func (a *app) cases(dir string) ([]policy.Case, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "policy test", "the directory cannot be read").Because(err)
	}
	var out []policy.Case
	var bad policy.Diagnostics
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		b, err := readAll(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		var keys map[string]any
		if yaml.Load(b, &keys) == nil {
			if _, ok := keys["cases"]; !ok {
				fmt.Fprintf(a.Stderr, "%s holds no cases\n", clean(e.Name()))
				continue
			}
		}
		cases, diags := policy.ParseCases(policy.File{Name: e.Name(), Text: string(b)})
		out, bad = append(out, cases...), append(bad, diags...)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, sallyport.E(sallyport.NotFound, "policy test", "there is no case in "+dir).
			WithHint("docs/reference/policy.md shows the form of a file of cases")
	}
	return out, nil
}

// question is what the flags of "policy explain" describe, in the words of a
// file of cases.
type question struct {
	config, file, name            string
	principal, kind, resource, at string
	groups, roles, attributes     []string
	effect, object, objectKind    string
	columns, outputs, predicates  []string
	grant, approver               string
	inTransaction                 bool
}

func (a *app) policyExplainCommand() *cobra.Command {
	var q question
	cmd := withConfig(a.command("explain [FILE...]", "Show how a verdict comes about", cobra.ArbitraryArgs,
		func(_ context.Context, args []string) error { return a.policyExplain(&q, args) }), &q.config)
	cmd.Long = "Show how a verdict comes about: every question that is asked of the policies and the rules that answer it.\n\n" +
		"The query comes from a file (--query, a case as \"policy test\" reads it, in YAML or JSON) or from flags. Without\n" +
		"--effect it is about connecting. Columns are NAME=LABEL[,LABEL...]; outputs and predicates are names of columns."
	f := cmd.Flags()
	f.StringVar(&q.file, "query", "", "file with a case, or with a list of cases")
	f.StringVar(&q.name, "case", "", "name of the case in that file")
	f.StringVar(&q.principal, "principal", "", "id of the principal")
	f.StringVar(&q.kind, "kind", "service-account", "service-account, ci-job, ai-agent or human")
	f.StringSliceVar(&q.groups, "group", nil, "group of the principal")
	f.StringSliceVar(&q.attributes, "attribute", nil, "NAME=VALUE of the principal")
	f.StringSliceVar(&q.roles, "role", nil, "role held")
	f.StringVar(&q.resource, "resource", "", "resource")
	f.StringVar(&q.at, "at", "", "when, as 2025-01-01T12:00:00Z")
	f.StringVar(&q.effect, "effect", "", "read, write, delete, define, destroy, execute, administer or control")
	f.StringVar(&q.object, "object", "", "object, as clinic/public/patients")
	f.StringVar(&q.objectKind, "object-kind", "table", "kind of the object")
	f.StringArrayVar(&q.columns, "column", nil, "column of the object with its labels")
	f.StringSliceVar(&q.outputs, "show", nil, "column that the answer shows")
	f.StringSliceVar(&q.predicates, "filter", nil, "column that decides which rows")
	f.StringVar(&q.grant, "grant", "", "id of a grant that is held")
	f.StringVar(&q.approver, "approver", "", "principal that approved the statement")
	f.BoolVar(&q.inTransaction, "in-transaction", false, "inside a transaction")
	return cmd
}

func (a *app) policyExplain(q *question, args []string) error {
	if _, err := a.format(); err != nil {
		return err
	}
	files, err := policyFiles(q.config, args)
	if err != nil {
		return err
	}
	set, err := a.compile(files)
	if err != nil {
		return err
	}
	c, err := q.find()
	if err != nil {
		return err
	}
	trace := set.Explain(c.Query)
	if a.output == "json" {
		return writeJSON(a.Stdout, trace)
	}
	_, err = fmt.Fprint(a.Stdout, cleanLines(trace.String()))
	return err
}

// find returns the one case that the question is about.
func (q *question) find() (policy.Case, error) {
	var text []byte
	var err error
	name := q.file
	switch {
	case q.file != "" && q.principal != "":
		return policy.Case{}, usage("give --query, or the query's flags, not both")
	case q.file != "":
		if text, err = readAll(q.file); err == nil {
			text, err = asCases(text)
		}
	case q.principal == "" || q.resource == "":
		return policy.Case{}, usage("give --query FILE, or --principal and --resource")
	default:
		name = "flags"
		text, err = q.build()
	}
	if err != nil {
		return policy.Case{}, err
	}
	cases, diags := policy.ParseCases(policy.File{Name: name, Text: string(text)})
	if err := diags.Err(); err != nil {
		return policy.Case{}, err
	}
	var names []string
	for _, c := range cases {
		if c.Name == q.name || q.name == "" && len(cases) == 1 {
			return c, nil
		}
		names = append(names, fmt.Sprintf("%q", c.Name))
	}
	return policy.Case{}, usage("name one case of the file with --case: %s", strings.Join(names, ", "))
}

// asCases makes a file of cases of one bare query, which needs no name and
// wants nothing. A file of cases stays what it is.
func asCases(text []byte) ([]byte, error) {
	var one map[string]any
	if err := yaml.Load(text, &one); err != nil {
		return nil, sallyport.E(sallyport.Invalid, "policy explain", "the query is no YAML").Because(err)
	}
	if _, ok := one["cases"]; ok {
		return text, nil
	}
	if one["name"] == nil {
		one["name"] = "query"
	}
	if one["want"] == nil {
		one["want"] = map[string]any{"outcome": "allow"}
	}
	return dumpCase(one)
}

func dumpCase(one map[string]any) ([]byte, error) {
	b, err := json.Marshal(map[string]any{"cases": []any{one}}) // JSON is YAML
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "policy explain", "the query has keys that are no texts").Because(err)
	}
	return b, nil
}

// build makes a case of the flags.
func (q *question) build() ([]byte, error) {
	attributes := map[string]string{}
	for _, at := range q.attributes {
		k, v, ok := strings.Cut(at, "=")
		if !ok {
			return nil, usage("--attribute must be NAME=VALUE")
		}
		attributes[k] = v
	}
	one := map[string]any{
		"name": "flags", "resource": q.resource, "roles": q.roles, "in_transaction": q.inTransaction, "want": map[string]any{"outcome": "allow"},
		"principal": map[string]any{"id": q.principal, "kind": q.kind, "groups": q.groups, "attributes": attributes},
	}
	if q.at != "" {
		one["at"] = q.at
	}
	if q.grant != "" {
		one["grant"] = map[string]any{"id": q.grant}
	}
	if q.approver != "" {
		one["approval"] = map[string]any{"approver": q.approver}
	}
	if q.effect != "" {
		st, err := q.statement()
		if err != nil {
			return nil, err
		}
		one["statement"] = st
	}
	return dumpCase(one)
}

func (q *question) statement() (map[string]any, error) {
	if q.object == "" {
		return nil, usage("--effect needs --object")
	}
	columns := []any{}
	for _, c := range q.columns {
		name, labels, _ := strings.Cut(c, "=")
		col := map[string]any{"name": name}
		if labels != "" {
			col["labels"] = strings.Split(labels, ",")
		}
		columns = append(columns, col)
	}
	named := func(names []string, wrap func(any) any) []any {
		out := []any{}
		for _, n := range names {
			out = append(out, wrap(map[string]any{"name": n}))
		}
		return out
	}
	return map[string]any{
		"class":      q.effect,
		"accesses":   []any{map[string]any{"effect": q.effect, "object": q.object, "kind": q.objectKind, "columns": columns}},
		"outputs":    named(q.outputs, func(c any) any { return map[string]any{"sources": []any{c}} }),
		"predicates": named(q.predicates, func(c any) any { return c }),
	}, nil
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-googlesql"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

const (
	// maxStatements is the most statements of a text.
	maxStatements = 500
	// maxViews is how deep views may name views.
	maxViews = 16
)

// engine is what all requests share.
type engine struct {
	language *googlesql.LanguageOptions
	builtins *googlesql.SimpleCatalog
}

func newEngine() (*engine, error) {
	if err := googlesql.Init(); err != nil {
		return nil, err
	}
	language, err := googlesql.NewLanguageOptions()
	if err != nil {
		return nil, err
	}
	for _, set := range []func() error{
		language.EnableMaximumLanguageFeatures,
		language.SetSupportsAllStatementKinds,
		func() error { return language.SetProductMode(googlesql.ProductModeProductExternal) },
		func() error { return language.EnableReservableKeyword("QUALIFY", true) },
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	builtins, err := googlesql.NewSimpleCatalog("builtins", nil)
	if err != nil {
		return nil, err
	}
	if err := builtins.AddBuiltinFunctionsAndTypes(&googlesql.BuiltinFunctionOptions{LanguageOptions: language}); err != nil {
		return nil, err
	}
	return &engine{language: language, builtins: builtins}, nil
}

// analysis is one request.
type analysis struct {
	request *bqanalyzer.Request
	catalog *googlesql.MultiCatalog
	types   *googlesql.TypeFactory
	options *googlesql.AnalyzerOptions
	views   map[int]view
	within  []int // views under analysis
}

// answer answers a request.
func (e *engine) answer(r *bqanalyzer.Request) *bqanalyzer.Answer {
	a, err := e.begin(r)
	if err != nil {
		return &bqanalyzer.Answer{Failure: &bqanalyzer.Failure{Code: bqanalyzer.FailRequest}}
	}
	for i, t := range r.Tables {
		if t.View != "" {
			a.view(i)
		}
	}
	out := &bqanalyzer.Answer{}
	at, err := googlesql.NewParseResumeLocationFromString(r.SQL)
	if err != nil {
		return &bqanalyzer.Answer{Failure: failure(err)}
	}
	for range maxStatements {
		pos, err := at.BytePosition()
		if err != nil {
			return &bqanalyzer.Answer{Failure: failure(err)}
		}
		if strings.TrimSpace(r.SQL[min(int(pos), len(r.SQL)):]) == "" {
			return out
		}
		resolved, err := googlesql.AnalyzeNextStatement(at, a.options, a.catalog, a.types)
		if err != nil {
			out.Failure = failure(err)
			return out
		}
		s, err := resolved.ResolvedStatement()
		if err != nil {
			out.Failure = failure(err)
			return out
		}
		w := a.walker()
		lineage := w.statement(s)
		if w.err != nil {
			lineage = bqanalyzer.Lineage{Unknown: "a part of the query that could not be read"}
		}
		out.Statements = append(out.Statements, lineage)
	}
	return &bqanalyzer.Answer{Failure: &bqanalyzer.Failure{Code: bqanalyzer.FailRequest}}
}

func (e *engine) begin(r *bqanalyzer.Request) (*analysis, error) {
	types, err := googlesql.NewTypeFactory()
	if err != nil {
		return nil, err
	}
	catalog, err := e.catalogue(types, r.Tables)
	if err != nil {
		return nil, err
	}
	options, err := e.options()
	if err != nil {
		return nil, err
	}
	for _, p := range r.Parameters {
		t, err := typeOf(types, p)
		if err != nil {
			return nil, err
		}
		if p.Name == "" {
			if err := options.SetParameterMode(googlesql.ParameterModeParameterPositional); err != nil {
				return nil, err
			}
			err = options.AddPositionalQueryParameter(t)
		} else {
			err = options.AddQueryParameter(p.Name, t)
		}
		if err != nil {
			return nil, err
		}
	}
	return &analysis{request: r, catalog: catalog, types: types, options: options, views: make(map[int]view)}, nil
}

// options turn every rewriting off, so that the tree is of what the text says.
func (e *engine) options() (*googlesql.AnalyzerOptions, error) {
	options, err := googlesql.NewAnalyzerOptions2()
	if err != nil {
		return nil, err
	}
	if err := options.SetLanguage(e.language); err != nil {
		return nil, err
	}
	for r := googlesql.ResolvedASTRewriteRewriteFlatten; r <= googlesql.ResolvedASTRewriteRewriteVariadicFunctionSignatureExpander; r++ {
		on, err := options.RewriteEnabled(r)
		if err == nil && on {
			err = options.DisableRewrite(r)
		}
		if err != nil {
			return nil, err
		}
	}
	return options, options.SetErrorMessageMode(googlesql.ErrorMessageModeErrorMessageOneLine)
}

func (a *analysis) walker() *walker {
	return &walker{
		graph:   graph{tables: a.request.Tables, views: a.views, columns: make(map[int32][]*node)},
		raising: make(map[int32]bool),
		with:    make(map[string][]int32),
	}
}

// view analyses a view's query, and the views that it reads first. One that cannot
// be analysed is left out, and whatever reads it is unknown.
func (a *analysis) view(i int) {
	if _, ok := a.views[i]; ok || len(a.within) >= maxViews {
		return
	}
	for _, v := range a.within {
		if v == i {
			return
		}
	}
	a.within = append(a.within, i)
	defer func() { a.within = a.within[:len(a.within)-1] }()
	resolved, err := googlesql.AnalyzeStatement(a.request.Tables[i].View, a.options, a.catalog, a.types)
	if err != nil {
		return
	}
	s, err := resolved.ResolvedStatement()
	if err != nil {
		return
	}
	query, ok := s.(*googlesql.ResolvedQueryStmt)
	if !ok {
		return
	}
	w := a.walker()
	w.reach = a.view
	lineage := w.statement(query)
	if w.err != nil || w.unknown != "" || !sameNames(a.request.Tables[i].Columns, lineage.Outputs) {
		return
	}
	v := view{outputs: lineage.Outputs, predicates: lineage.Predicates}
	for _, c := range get(w, query.OutputColumnList) {
		v.raises = append(v.raises, w.raising[w.id(get(w, c.Column))])
	}
	if w.err == nil {
		a.views[i] = v
	}
}

// sameNames reports whether a view's columns are what its query puts out, which is
// followed by position. They differ when either has changed since.
func sameNames(columns []bqanalyzer.Field, outputs []bqanalyzer.Output) bool {
	n := 0
	for _, c := range columns {
		if c.Hidden {
			continue
		}
		if n >= len(outputs) || !strings.EqualFold(c.Name, outputs[n].Name) {
			return false
		}
		n++
	}
	return n == len(outputs)
}

// position finds where the engine says that a text is wrong. The rest of its
// message repeats the text, and is dropped.
var position = regexp.MustCompile(`\[at (\d+):(\d+)\]\s*$`)

// failure reduces an error of the engine to a code and a position.
func failure(err error) *bqanalyzer.Failure {
	f := &bqanalyzer.Failure{Code: bqanalyzer.FailText}
	msg := err.Error()
	switch {
	case strings.Contains(msg, "Function not found"), strings.Contains(msg, "Table-valued function not found"):
		f.Code = bqanalyzer.FailFunction
	case strings.Contains(msg, "Table not found"):
		f.Code = bqanalyzer.FailTable
	}
	if m := position.FindStringSubmatch(msg); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.Column, _ = strconv.Atoi(m[2])
	}
	return f
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"go/ast"
	"go/token"
	"slices"
)

const stateWhy = "state of a package is shared by every session and every test; put it into a value that somebody owns"

// State finds package-level variables that can change: those of a type that
// exists to change, those without a value, and those that are assigned to. A
// table or an error that is set once where it is declared may stay.
func State(t *Tree) []Finding {
	var fs []Finding
	vars := make(map[string]map[string]bool) // by package, then name
	for _, f := range t.Files {
		if !f.product() {
			continue
		}
		for _, decl := range f.AST.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				vs := spec.(*ast.ValueSpec) // a var declaration has no others
				for i, name := range vs.Names {
					if name.Name == "_" || embedded(gen, vs) {
						continue
					}
					if vars[f.Pkg] == nil {
						vars[f.Pkg] = make(map[string]bool)
					}
					vars[f.Pkg][name.Name] = true
					if msg := changeable(vs, i); msg != "" {
						fs = append(fs, Finding{"state", t.pos(name.Pos()), name.Name + " " + msg, stateWhy})
					}
				}
			}
		}
	}
	for _, f := range t.Files {
		if f.product() {
			fs = append(fs, assignments(t, f, vars[f.Pkg])...)
		}
	}
	return fs
}

// embedded reports whether a variable is filled by the go:embed directive.
func embedded(gen *ast.GenDecl, vs *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{gen.Doc, vs.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return len(c.Text) > 11 && c.Text[:11] == "//go:embed " }) {
			return true
		}
	}
	return false
}

// changeable says in words why a variable's declaration shows that it is meant
// to change, or nothing.
func changeable(vs *ast.ValueSpec, i int) string {
	if len(vs.Values) == 0 {
		return "has no value, so something must set it"
	}
	if i >= len(vs.Values) {
		return ""
	}
	switch x := vs.Values[i].(type) {
	case *ast.UnaryExpr:
		if x.Op == token.AND {
			return "is a pointer to something that can change"
		}
	case *ast.CallExpr:
		if id, ok := x.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
			return "is made to be filled"
		}
	case *ast.CompositeLit:
		if sel, ok := x.Type.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && (id.Name == "sync" || id.Name == "atomic") {
				return "is of a type that exists to change"
			}
		}
	}
	return ""
}

// assignments finds where a file changes a variable of its package.
func assignments(t *Tree, f *File, vars map[string]bool) []Finding {
	var fs []Finding
	check := func(e ast.Expr) {
		id := rootOf(e)
		// A resolved identifier is the package's only when it was declared by a
		// ValueSpec at the top level of this very file.
		if id == nil || !vars[id.Name] || id.Obj != nil && !topLevel(f, id) {
			return
		}
		fs = append(fs, Finding{"state", t.pos(id.Pos()), "changes " + id.Name, stateWhy})
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if x.Tok == token.DEFINE {
				return true
			}
			for _, lhs := range x.Lhs {
				check(lhs)
			}
		case *ast.IncDecStmt:
			check(x.X)
		}
		return true
	})
	return fs
}

// rootOf returns the variable at the bottom of x, x.f, x[i] and *x.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// topLevel reports whether a resolved identifier is of the file's own top level.
func topLevel(f *File, id *ast.Ident) bool {
	return f.AST.Scope != nil && f.AST.Scope.Lookup(id.Name) == id.Obj
}

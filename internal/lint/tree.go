// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package lint holds the house rules as code: which package may import which,
// which calls belong where, how long a function may be. Each rule has its
// reason beside it, and the reason is part of what a broken rule prints.
//
// The rules run as a test of this package over the whole tree, so "go test
// ./..." alone finds what they find. They work on syntax only, which keeps them
// fast and free of build tags; what needs the build's knowledge asks "go list".
package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the product's module path.
const Module = "github.com/sallyport-dev/sallyport"

// Finding is one place where a rule is broken.
type Finding struct {
	Rule string
	Pos  string // "dir/file.go:12", or a package or file
	Msg  string
	Why  string
}

// String renders the finding with its reason.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s (%s)", f.Pos, f.Rule, f.Msg, f.Why)
}

// File is one parsed Go file.
type File struct {
	Path string // slash-separated, from the root
	Pkg  string // its directory, "" for the root package
	Test bool   // ends in _test.go
	Src  []byte
	AST  *ast.File
}

// Tree is the source of a module.
type Tree struct {
	Root  string
	Fset  *token.FileSet
	Files []*File
	// Texts are all files that are not binary, Go or not, by path.
	Texts map[string][]byte
}

// skippedDirs hold nothing of ours.
var skippedDirs = [...]string{".git", ".cache", "bin", "node_modules"}

// Load reads and parses the tree below root. Directories named testdata are
// read as texts only.
func Load(root string) (*Tree, error) {
	t := &Tree{Root: root, Fset: token.NewFileSet(), Texts: make(map[string][]byte)}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skippedDirs[:], d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || d.Name() == ".git" { // a file in a second worktree
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(rel), p)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tree) add(rel, full string) error {
	src, err := os.ReadFile(full)
	if err != nil {
		return err
	}
	if slices.Contains(src[:min(len(src), 8000)], 0) {
		return nil // binary
	}
	t.Texts[rel] = src
	if !strings.HasSuffix(rel, ".go") || slices.Contains(strings.Split(rel, "/"), "testdata") {
		return nil
	}
	f, err := parser.ParseFile(t.Fset, rel, src, parser.ParseComments)
	if err != nil {
		return err
	}
	pkg := path.Dir(rel)
	if pkg == "." {
		pkg = ""
	}
	t.Files = append(t.Files, &File{Path: rel, Pkg: pkg, Test: strings.HasSuffix(rel, "_test.go"), Src: src, AST: f})
	return nil
}

// pos renders a position as "path:line".
func (t *Tree) pos(p token.Pos) string {
	at := t.Fset.Position(p)
	return fmt.Sprintf("%s:%d", at.Filename, at.Line)
}

// product reports whether a file is part of what is shipped: neither a test,
// nor test support, nor a developer's tool.
func (f *File) product() bool {
	return !f.Test && !anyUnder(f.Pkg, []string{"test", "tools"}) && !slices.Contains(suites, f.Pkg)
}

// suites are the conformance suites that lie beside what they test.
var suites = []string{"internal/connector/connectortest", "internal/store/storetest", "internal/blob/blobtest"}

// under reports whether a package is dir or lies below it.
func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// anyUnder reports whether a package is or lies below one of dirs.
func anyUnder(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return under(pkg, d) })
}

// imports maps the names by which a file knows its imports to their paths.
func (f *File) imports() map[string]string {
	m := make(map[string]string, len(f.AST.Imports))
	for _, spec := range f.AST.Imports {
		p := importPath(spec)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		} else if isMajor(name) {
			name = path.Base(path.Dir(p))
		}
		m[name] = p
	}
	return m
}

// isMajor reports whether a path element is a major version, "v2".
func isMajor(s string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "v"))
	return err == nil && n > 1 && s[0] == 'v'
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser lets no such literal through
	}
	return p
}

// own returns the directory of a package of this module, and whether it is one.
func own(importPath string) (string, bool) {
	if importPath == Module {
		return "", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}

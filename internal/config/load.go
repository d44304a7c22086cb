// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

const op = "config"

// maxSize bounds a configuration file in bytes.
const maxSize = 1 << 20

// Load reads and validates the file at path. The error of a file with mistakes
// has kind Invalid and holds [Problems].
func Load(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, sallyport.E(sallyport.NotFound, op, "cannot open the configuration file").
			WithHint("name it with --config").Because(err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "cannot read the configuration file").Because(err)
	}
	return data, nil
}

// Parse reads and validates a configuration. The name stands in problems, and
// its directory is what relative paths are relative to.
func Parse(name string, data []byte) (*Config, error) {
	c := &Config{}
	if err := parse(name, data, c, "docs/reference/config.md"); err != nil {
		return nil, err
	}
	return c, nil
}

// document is a configuration as a whole.
type document interface {
	defaulter
	Validate() []Problem
	resolve(dir string)
}

// parse fills a document; page is where its keys are described.
func parse(name string, data []byte, into document, page string) error {
	problems := problemsOf(name, data, into)
	if len(problems) == 0 {
		return nil
	}
	msg := "the configuration has a problem"
	if len(problems) > 1 {
		msg = fmt.Sprintf("the configuration has %d problems", len(problems))
	}
	return sallyport.E(sallyport.Invalid, op, msg).WithHint("see " + page).Because(problems.sorted())
}

func problemsOf(name string, data []byte, into document) Problems {
	if len(data) > maxSize {
		return Problems{{File: name, Msg: fmt.Sprintf("the file is larger than %v", Bytes(maxSize))}}
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return Problems{syntaxProblem(name, err)}
	}
	d := &decoder{file: name, lines: make(map[string]int)}
	into.setDefaults()
	root := &doc
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		root = doc.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		return Problems{{File: name, Line: 1, Msg: "the file holds no keys and values"}}
	}
	d.value(root, reflect.ValueOf(into).Elem(), "", 0)
	unread := make(map[string]bool)
	for _, p := range d.problems {
		unread[p.Key] = true
	}
	for _, f := range into.Validate() {
		if !reported(unread, f.Key) {
			d.problem(d.lineOf(f.Key), f.Key, "%s", f.Msg)
		}
	}
	into.resolve(filepath.Dir(name))
	return d.problems
}

// reported says whether the key or one that holds it could not be read; it
// would only be reported again as missing.
func reported(unread map[string]bool, key string) bool {
	for ; key != ""; key = parent(key) {
		if unread[key] {
			return true
		}
	}
	return false
}

// syntaxProblem takes the line and the message out of the library's error. The
// message speaks of structure, except where an alias is unknown: that one
// repeats a word of the file, which may be a password that begins with "*".
func syntaxProblem(name string, err error) Problem {
	p := Problem{File: name, Line: 1, Msg: "the file is not valid YAML"}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return p
	}
	if le.Mark.Line > 0 {
		p.Line = le.Mark.Line
	}
	if le.Stage == yaml.ComposerStage {
		p.Msg += "; anchors and aliases are not supported"
		return p
	}
	p.Msg += ": " + strings.TrimPrefix(le.Message, "yaml: ")
	if le.ContextMsg != "" {
		p.Msg += fmt.Sprintf(" %s that begins on line %d", le.ContextMsg, le.ContextMark.Line)
	}
	return p
}

// resolve makes every path relative to the file's directory, those of other
// packages' types included.
func (c *Config) resolve(dir string) {
	resolveIn(reflect.ValueOf(c).Elem(), dir)
	for i := range c.Identity.Issuers {
		is := &c.Identity.Issuers[i]
		is.CAFile = string(Path(is.CAFile).in(dir))
		is.Keys.File = string(Path(is.Keys.File).in(dir))
	}
	for i := range c.Identity.Keys {
		if k := &c.Identity.Keys[i]; !k.Inline() {
			k.PublicKey = string(Path(k.PublicKey).in(dir))
		}
	}
}

func resolveIn(v reflect.Value, dir string) {
	switch p := v.Addr().Interface().(type) {
	case *Path:
		*p = p.in(dir)
		return
	case *SecretRef:
		*p = p.in(dir)
		return
	case *Signer:
		*p = p.in(dir)
		return
	case *MasterRef:
		*p = p.in(dir)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			resolveIn(v.Field(i), dir)
		}
	case reflect.Slice:
		for i := range v.Len() {
			resolveIn(v.Index(i), dir)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			resolveIn(v.Elem(), dir)
		}
	}
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"net/url"
	"path"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
)

// AttachName is the command of whoever attaches to what a container runs.
const AttachName = "attach"

// Copy is what a command of kubectl cp does.
type Copy uint8

// The commands of kubectl cp.
const (
	NoCopy   Copy = iota
	CopyFrom      // send a path as an archive
	CopyTo        // unpack an archive into a directory
	CopyTest      // tell whether a path is a directory
)

// Wish is what a request for a program's streams asks for.
type Wish struct {
	Container                  string
	Command                    []string
	Stdin, Stdout, Stderr, TTY bool
}

// Program is a program that is to run in a container, judged.
type Program struct {
	Statement *sallyport.Statement
	Wish      Wish // with the command as it is sent
	Copy      Copy
	Path      string // of a copy, canonical
	judge     *Programs
	object    sallyport.Object // the pod's files
}

// Programs judge what is to run in the containers of a cluster.
type Programs struct {
	Layout   *Layout
	Commands *shell.Commands
	// Files says what of the pods' files there is; nil for none.
	Files *files.Layout
}

// maxContainer is the longest name of a container.
const maxContainer = 63

// ReadWish reads the parameters of a request for exec or attach. What it returns in why
// says why they cannot be read.
func ReadWish(c *Call, params url.Values) (w Wish, why string) {
	for name, values := range params {
		switch name {
		case "command":
			if c.Subresource != "exec" {
				return w, "who attaches names no command"
			}
			w.Command = slices.Clone(values)
		case "container":
			w.Container = values[0]
			if len(w.Container) > maxContainer || strings.ContainsFunc(w.Container, func(r rune) bool {
				return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
			}) {
				return w, "the container's name is none"
			}
		case "stdin", "stdout", "stderr", "tty":
			on, ok := truth(values[0])
			if !ok {
				return w, "the parameter " + name + " is neither true nor false"
			}
			switch name {
			case "stdin":
				w.Stdin = on
			case "stdout":
				w.Stdout = on
			case "stderr":
				w.Stderr = on
			default:
				w.TTY = on
			}
		default:
			return w, "a parameter is not known"
		}
	}
	w.Stderr = w.Stderr && !w.TTY // a terminal has one stream of output
	if !w.Stdin && !w.Stdout && !w.Stderr {
		return w, "no stream is asked for"
	}
	if c.Subresource == "exec" && len(w.Command) == 0 {
		return w, "there is no command"
	}
	return w, ""
}

func truth(s string) (on, ok bool) {
	switch s {
	case "true", "1":
		return true, true
	case "false", "0", "":
		return false, true
	}
	return false, false
}

// Query is the query of a request for the same.
func (w Wish) Query() url.Values {
	q := url.Values{}
	for _, x := range w.Command {
		q.Add("command", x)
	}
	if w.Container != "" {
		q.Set("container", w.Container)
	}
	for name, on := range map[string]bool{"stdin": w.Stdin, "stdout": w.Stdout, "stderr": w.Stderr, "tty": w.TTY} {
		if on {
			q.Set(name, "true")
		}
	}
	return q
}

// Judge says what a request for a program's streams does: it executes on the pod, and
// runs a command or copies files. By which method it came makes no difference.
func (p *Programs) Judge(resource sallyport.ResourceID, c *Call, w Wish) *Program {
	same := *c
	same.Method, same.Verb = "POST", "create"
	out := &Program{Statement: p.Layout.Statement(resource, &same), Wish: w, judge: p}
	st := out.Statement
	if st.Refused != "" {
		return out
	}
	pod := same
	pod.Subresource = "files"
	out.object = pod.Object(resource)
	var what *sallyport.Statement
	var kept []string
	switch {
	case c.Subresource == "attach":
		what = p.attach(resource)
		st.Class = "attach"
	case w.TTY && interactive(w.Command):
		what, kept = p.Commands.Shell(resource).Statement, w.Command
		if m := p.Commands.Argv(resource, w.Command); m.Template != "" {
			what = m.Statement
		}
		st.Class = "exec"
	default:
		if out.copies(); out.Copy != NoCopy {
			what = out.file(out.operation(), out.Path)
			st.Class = what.Class
			break
		}
		m := p.Commands.Argv(resource, w.Command)
		what, kept = m.Statement, m.Argv
		st.Class = "exec"
		if what.Refused != "" && m.Argv != nil {
			what.Hint = "ask the gateway's operator which commands the resource has, and run one as it is: kubectl exec POD -- PROGRAM ARGUMENTS"
		}
	}
	if out.Copy == NoCopy {
		labels, _ := p.Layout.Labels(&same)
		what = labelled(what, labels)
	}
	if kept != nil {
		out.Wish.Command = kept
	}
	st.Readable = c.Subresource + " in " + c.Kind() + "/" + c.Name + " of " + c.Namespace
	if w.Container != "" {
		st.Readable += ", container " + w.Container
	}
	st.Readable += ": " + what.Readable
	merge(st, what)
	return out
}

// labelled gives what a command prints the pod's labels, where its template has none.
func labelled(st *sallyport.Statement, labels []sallyport.Label) *sallyport.Statement {
	for i := range st.Accesses {
		for j := range st.Accesses[i].Columns {
			if c := &st.Accesses[i].Columns[j]; len(c.Labels) == 0 {
				c.Labels = labels
			}
		}
	}
	for i := range st.Outputs {
		for j := range st.Outputs[i].Sources {
			if c := &st.Outputs[i].Sources[j]; len(c.Labels) == 0 {
				c.Labels = labels
			}
		}
	}
	return st
}

// merge adds to a statement what another one does; what it prints is all that is
// printed.
func merge(st, what *sallyport.Statement) {
	for _, e := range what.Effects {
		if !slices.Contains(st.Effects, e) {
			st.Effects = append(st.Effects, e)
		}
	}
	st.Accesses = append(st.Accesses, what.Accesses...)
	st.Outputs, st.Flows = what.Outputs, what.Flows
	st.Refused, st.Hint = what.Refused, what.Hint
}

// attach is the statement of whoever attaches to what a container runs.
func (p *Programs) attach(resource sallyport.ResourceID) *sallyport.Statement {
	st := p.Commands.Shell(resource).Statement
	name := func(o sallyport.Object) sallyport.Object {
		o.Path = slices.Clone(o.Path)
		o.Path[1] = AttachName
		return o
	}
	column := st.Outputs[0].Sources[0]
	column.Object = name(column.Object)
	return &sallyport.Statement{
		Readable: "(what the container runs)", Effects: []sallyport.Effect{sallyport.Execute},
		Accesses: []sallyport.Access{{Effect: sallyport.Execute, Object: name(st.Accesses[0].Object), Columns: []sallyport.Column{column}}},
		Outputs:  []sallyport.Output{{Direct: true, Sources: []sallyport.Column{column}}},
	}
}

// interactive reports whether a command is a shell that reads from its terminal.
func interactive(argv []string) bool {
	if len(argv) == 0 || !slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh"}, path.Base(argv[0])) {
		return false
	}
	for _, flag := range argv[1:] {
		if flag != "-i" && flag != "-l" && flag != "-il" && flag != "-li" && flag != "--login" {
			return false
		}
	}
	return true
}

// copies recognises the commands of kubectl cp, word by word as releases from 1.27 on
// send them, and writes them anew.
func (p *Program) copies() {
	argv := p.Wish.Command
	if p.Wish.TTY {
		return
	}
	words := func(want ...string) bool { return len(argv) == len(want)+1 && slices.Equal(argv[:len(want)], want) }
	kind, named := NoCopy, ""
	switch {
	case words("tar", "cf", "-"):
		kind = CopyFrom
	case words("test", "-d"):
		kind = CopyTest
	case words("tar", "-xmf", "-", "-C"), words("tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C"):
		kind = CopyTo
	case slices.Equal(argv, []string{"tar", "-xmf", "-"}), slices.Equal(argv, []string{"tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-"}):
		p.Copy = CopyTo // into a directory that is not named
		return
	default:
		return
	}
	p.Copy, named = kind, argv[len(argv)-1]
	// A path that is not absolute depends on where the container's programs run.
	if at, ok := files.Canonical("/", named); ok && strings.HasPrefix(named, "/") {
		p.Path = at
		p.Wish.Command = append(slices.Clone(argv[:len(argv)-1]), at)
	}
}

func (p *Program) operation() files.Op {
	switch p.Copy {
	case CopyFrom:
		return files.GetTree
	case CopyTo:
		return files.Put
	case CopyTest:
		return files.Stat
	}
	return files.OpUnknown
}

// file is the statement of an operation on the pod's files, which lie below the pod.
func (p *Program) file(op files.Op, at string) *sallyport.Statement {
	if p.judge.Files == nil {
		return &sallyport.Statement{
			Class: "files", Readable: "(files)", Refused: "the resource shows no files of its containers",
			Hint: "the operator says in kubernetes.files which there are",
		}
	}
	st := p.judge.Files.Statement(sallyport.ResourceID(p.object.Path[0]), op, at)
	move := func(o *sallyport.Object) { o.Path = append(slices.Clone(p.object.Path), o.Path[1:]...) }
	for i := range st.Accesses {
		move(&st.Accesses[i].Object)
		for j := range st.Accesses[i].Columns {
			move(&st.Accesses[i].Columns[j].Object)
		}
	}
	for i := range st.Outputs {
		for j := range st.Outputs[i].Sources {
			move(&st.Outputs[i].Sources[j].Object)
		}
	}
	st.Flows = nil
	return st
}

// Written is the statement of a file, or a directory, that an archive writes.
func (p *Program) Written(at string, dir bool) *sallyport.Statement {
	op := files.Put
	if dir {
		op = files.Mkdir
	}
	st := p.file(op, at)
	st.Protocol, st.Kubernetes = Protocol, p.Statement.Kubernetes
	return st
}

// Place is the name of a file as it may stand on record.
func (p *Program) Place(at string) string { return p.judge.Files.At(at).Name() }

// Plain reports whether a file's name may be shown.
func (p *Program) Plain(at string) bool { return p.judge.Files.Plain(at) }

// Limits are how large a file may be that is written, and one that is masked, in
// bytes; 0 is no bound.
func (p *Program) Limits() (written, masked int64) {
	return p.judge.Files.MaxFile(), p.judge.Files.MaxMasked()
}

// Output returns which output of the statement a file's content belongs to, -1 for a
// file that is none of those that were asked for. Of the prefixes that it lies in the
// longest counts.
func (p *Program) Output(at string) int {
	if !p.judge.Files.Visible(at) {
		return -1
	}
	for q := at; q == p.Path || p.Path == "/" || strings.HasPrefix(q, p.Path+"/"); q = path.Dir(q) {
		want := strings.Join(append(slices.Clone(p.object.Path), append(slices.Clone(p.judge.Files.At(q).Path), "body")...), "/")
		i := slices.IndexFunc(p.Statement.Outputs, func(o sallyport.Output) bool { return o.Sources[0].Object.Name() == want })
		if i >= 0 || q == "/" {
			return i
		}
	}
	return -1
}

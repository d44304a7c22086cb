// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
)

func programs(t testing.TB) *kube.Programs {
	t.Helper()
	commands, err := shell.NewCommands([]shell.Template{
		{Name: "list", Words: []string{"ls", "{path}"}, Labels: []sallyport.Label{"public"}},
		{Name: "say", Words: []string{"echo", "{words...}"}, Shell: true},
	}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := files.NewLayout(files.Options{Prefixes: []files.Prefix{
		{Prefix: "/srv/data", Labels: []sallyport.Label{"phi"}},
		{Prefix: "/srv/data/open", Labels: []sallyport.Label{"public"}, Plain: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &kube.Programs{Layout: kube.NewLayout([]sallyport.Label{"pod"}, nil, "secret"), Commands: commands, Files: layout}
}

func podCall(verb, sub string) *kube.Call {
	return &kube.Call{
		IsResource: true, Path: "/api/v1/namespaces/clinic/pods/web-1/" + sub, Method: map[string]string{"get": "GET", "create": "POST"}[verb],
		Verb: verb, Version: "v1", Namespace: "clinic", Resource: "pods", Name: "web-1", Subresource: sub,
	}
}

// objects are what a statement does to what.
func objects(st *sallyport.Statement) []string {
	var out []string
	for _, a := range st.Accesses {
		out = append(out, a.Effect.String()+" "+a.Object.Kind+" "+a.Object.Name())
	}
	return out
}

// TestRefusal: what is said about a command that may not run has kubectl's form.
func TestRefusal(t *testing.T) {
	t.Parallel()
	commands, err := shell.NewCommands(nil, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &kube.Programs{Layout: kube.NewLayout(nil, nil, "secret"), Commands: commands}
	st := p.Judge("prod", podCall("create", "exec"), kube.Wish{Command: []string{"id"}}).Statement
	if st.Refused == "" || !strings.Contains(st.Hint, "kubectl exec POD -- PROGRAM ARGUMENTS") || strings.Contains(st.Hint, "line") {
		t.Errorf("%s (%s)", st.Refused, st.Hint)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	p := programs(t)
	const pod = "execute path prod/clinic/pods/web-1/exec"
	const at = "prod/clinic/pods/web-1/files/srv/data"
	for name, tc := range map[string]struct {
		tty     bool
		argv    []string
		want    string // the last access; "" for what is refused
		sent    []string
		labels  []sallyport.Label
		refused string
	}{
		"a template":      {false, []string{"ls", "/x y"}, "execute command prod/list", nil, []sallyport.Label{"public"}, ""},
		"no template":     {false, []string{"ls", "-l", "x"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"a shell's line":  {false, []string{"sh", "-c", `echo "a b"`}, "execute command prod/say", []string{"sh", "-c", "echo 'a b'"}, []sallyport.Label{"pod"}, ""},
		"two lines":       {false, []string{"sh", "-c", "echo a; id"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"a terminal":      {true, []string{"/bin/bash", "-il"}, "execute command prod/shell", nil, []sallyport.Label{"pod"}, ""},
		"a line, a tty":   {true, []string{"sh", "-c", "id"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"no terminal":     {false, []string{"sh"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"a file":          {false, []string{"tar", "cf", "-", "/srv/data/x/../a.csv"}, "read path " + at + "/*", []string{"tar", "cf", "-", "/srv/data/a.csv"}, []sallyport.Label{"phi"}, ""},
		"a tree":          {false, []string{"tar", "cf", "-", "/srv/data"}, "read path " + at + "/open", nil, []sallyport.Label{"phi"}, ""},
		"an upload":       {false, []string{"tar", "-xmf", "-", "-C", "/srv/data/open"}, "write path " + at + "/open", nil, nil, ""},
		"of no owner":     {false, []string{"tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C", "/srv/data/open/"}, "write path " + at + "/open", []string{"tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C", "/srv/data/open"}, nil, ""},
		"a test":          {false, []string{"test", "-d", "/srv/data/open"}, "read path " + at + "/open", nil, []sallyport.Label{"public"}, ""},
		"relative":        {false, []string{"tar", "cf", "-", "srv/data"}, "", nil, nil, "absolute"},
		"an option":       {false, []string{"tar", "cf", "-", "--checkpoint-action=exec=id"}, "", nil, nil, "absolute"},
		"nowhere":         {false, []string{"tar", "-xmf", "-"}, "", nil, nil, "absolute"},
		"outside":         {false, []string{"tar", "cf", "-", "/etc/passwd"}, "", nil, nil, "paths"},
		"upwards":         {false, []string{"tar", "-xmf", "-", "-C", "/srv/data/../../etc"}, "", nil, nil, "paths"},
		"another tar":     {false, []string{"tar", "cf", "-", "/srv/data", "--to-command=id"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"retried":         {false, []string{"sh", "-c", "tar cf - /srv/data | tail -c+1"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"a copy, a tty":   {true, []string{"tar", "cf", "-", "/srv/data"}, "execute command prod/*", nil, []sallyport.Label{"pod"}, ""},
		"an empty vector": {false, []string{""}, "", nil, nil, "one command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := kube.Wish{Command: tc.argv, Stdin: true, Stdout: true, TTY: tc.tty}
			got := p.Judge("prod", podCall("create", "exec"), w)
			st := got.Statement
			if tc.want == "" {
				if st.Refused == "" || !strings.Contains(st.Hint, tc.refused) {
					t.Fatalf("%+v", st)
				}
				return
			}
			did := objects(st)
			if st.Refused != "" || did[0] != pod || did[len(did)-1] != tc.want {
				t.Fatalf("%s: %v", st.Refused, did)
			}
			if tc.sent == nil {
				tc.sent = tc.argv
			}
			if !slices.Equal(got.Wish.Command, tc.sent) {
				t.Errorf("sent is %q", got.Wish.Command)
			}
			if len(tc.labels) > 0 && !slices.Equal(st.Outputs[0].Sources[0].Labels, tc.labels) {
				t.Errorf("labels %v", st.Outputs[0].Sources[0].Labels)
			}
			// By which method it came makes no difference.
			same := p.Judge("prod", podCall("get", "exec"), w)
			if same.Statement.Readable != st.Readable || same.Statement.Kubernetes.Verb != st.Kubernetes.Verb || !slices.Equal(objects(same.Statement), did) {
				t.Errorf("by GET it is another: %+v", same.Statement)
			}
		})
	}
	if st := p.Judge("prod", podCall("get", "attach"), kube.Wish{Stdout: true}).Statement; objects(st)[1] != "execute command prod/attach" || st.Outputs[0].Sources[0].Labels[0] != "pod" {
		t.Errorf("attach: %v", objects(st))
	}
}

// TestOutputs finds the labels of files within a copy.
func TestOutputs(t *testing.T) {
	t.Parallel()
	p := programs(t)
	got := p.Judge("prod", podCall("create", "exec"), kube.Wish{Command: []string{"tar", "cf", "-", "/srv/data"}, Stdout: true})
	for path, want := range map[string]sallyport.Label{
		"/srv/data/a.csv": "phi", "/srv/data/x/y": "phi", "/srv/data": "phi", "/srv/data/open": "public", "/srv/data/open/x/y": "public", "/srv/data/openly": "phi",
		"/srv/other": "", "/etc/passwd": "", "/srv": "", "/srv/database": "",
	} {
		i := got.Output(path)
		if (i < 0) != (want == "") || i >= 0 && got.Statement.Outputs[i].Sources[0].Labels[0] != want {
			t.Errorf("%s belongs to %d", path, i)
		}
	}
	if st := got.Written("/srv/data/open/x", false); !slices.Equal(objects(st), []string{"write path prod/clinic/pods/web-1/files/srv/data/open/x"}) || st.Kubernetes == nil {
		t.Errorf("%v", objects(st))
	}
}

// FuzzWish holds that a wish that can be read is read again from what is sent.
func FuzzWish(f *testing.F) {
	f.Add("command=ls&command=x&stdout=true&container=main")
	f.Add("stdin=1&stdout=true&tty=true&stderr=true&command=sh")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil || len(query) > 1<<12 {
			return
		}
		c := podCall("create", "exec")
		w, why := kube.ReadWish(c, q)
		if why != "" {
			return
		}
		again, why := kube.ReadWish(c, w.Query())
		if why != "" || again.Container != w.Container || !slices.Equal(again.Command, w.Command) || again.Stdin != w.Stdin || again.Stdout != w.Stdout || again.Stderr != w.Stderr || again.TTY != w.TTY {
			t.Fatalf("%q: %+v, %+v", why, w, again)
		}
		if p := programs(t).Judge("prod", c, w); p.Statement == nil {
			t.Fatal("no statement")
		}
	})
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// node is what the kubelet knows.
type node struct {
	dir string
	api *api

	mu      sync.Mutex
	pods    map[string]*pod   // by namespace/name; guarded by mu
	running map[*process]bool // guarded by mu
}

// pod is a directory, and what its containers have printed.
type pod struct {
	dir string

	mu   sync.Mutex
	logs map[string]*journal // by container; guarded by mu
	runs map[string][]string // the commands that containers run when somebody attaches; guarded by mu
	ttys map[string]bool     // guarded by mu
}

// process is a command that a pod runs.
type process struct {
	command []string
	pid     int
}

// pod returns a pod, which comes into being when it is first asked for.
func (n *node) pod(namespace, name string) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := namespace + "/" + name
	p := n.pods[key]
	if p == nil {
		p = &pod{dir: filepath.Join(n.dir, namespace, name), logs: map[string]*journal{}, runs: map[string][]string{}, ttys: map[string]bool{}}
		_ = os.MkdirAll(p.dir, 0o755) // the first command says so if it fails
		n.pods[key] = p
	}
	return p
}

// log returns what a container has printed.
func (p *pod) log(container string) *journal {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.logs[container]
	if j == nil {
		j = &journal{changed: make(chan struct{})}
		p.logs[container] = j
	}
	return j
}

func (n *node) started(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		n.running = map[*process]bool{}
	}
	n.running[p] = true
}

func (n *node) ended(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.running, p)
}

// kill ends the commands that still run, each with its children.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.running {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may just have ended
	}
}

// journal is a container's log, in the pieces in which it was written.
type journal struct {
	mu      sync.Mutex
	pieces  []string      // guarded by mu
	over    bool          // guarded by mu
	changed chan struct{} // closed when something was added; guarded by mu
}

func (j *journal) add(piece string, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if piece != "" {
		j.pieces = append(j.pieces, piece)
	}
	j.over = j.over || over
	close(j.changed)
	j.changed = make(chan struct{})
}

// after returns the pieces from the i-th on.
func (j *journal) after(i int) (pieces []string, over bool, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pieces[i:], j.over, j.changed
}

// control lets a test say what happens in pods.
func (n *node) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /files", n.putFiles)
	mux.HandleFunc("POST /log", n.putLog)
	mux.HandleFunc("POST /run", n.putRun)
	mux.HandleFunc("POST /running", func(w http.ResponseWriter, _ *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		commands := [][]string{}
		for p := range n.running {
			commands = append(commands, p.command)
		}
		answer(w, commands)
	})
	return mux
}

// putFiles writes files into a pod's directory and says where that is.
func (n *node) putFiles(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Namespace, Name string
		Files           map[string][]byte
	}
	if !ask(w, r, &in) {
		return
	}
	p := n.pod(in.Namespace, in.Name)
	for name, content := range in.Files {
		file := filepath.Join(p.dir, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, content, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	answer(w, p.dir)
}

// putLog has a container print pieces, each after its pause.
func (n *node) putLog(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Namespace, Name, Container string
		Pieces                     []struct {
			Text  string
			Pause time.Duration
		}
		End bool
	}
	if !ask(w, r, &in) {
		return
	}
	log := n.pod(in.Namespace, in.Name).log(in.Container)
	for _, p := range in.Pieces {
		time.Sleep(p.Pause)
		log.add(p.Text, false)
	}
	if in.End {
		log.add("", true)
	}
	answer(w, true)
}

// putRun says what a container runs for those who attach to it.
func (n *node) putRun(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Namespace, Name, Container string
		Command                    []string
	}
	if !ask(w, r, &in) {
		return
	}
	p := n.pod(in.Namespace, in.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[in.Container] = in.Command
	answer(w, true)
}

func ask(w http.ResponseWriter, r *http.Request, in any) bool {
	err := json.NewDecoder(r.Body).Decode(in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func answer(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // whoever asked may be gone
}

// inside makes the absolute paths of a command that lie in the pod's directory
// relative to it, where the command runs.
func (p *pod) inside(command []string) []string {
	out := make([]string, len(command))
	for i, word := range command {
		out[i] = word
		top, _, _ := strings.Cut(strings.TrimPrefix(word, "/"), "/")
		if !strings.HasPrefix(word, "/") || top == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.dir, top)); err == nil {
			out[i] = strings.TrimPrefix(word, "/")
		}
	}
	return out
}

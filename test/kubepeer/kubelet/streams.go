// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	idle    = 4 * time.Hour
	opening = 30 * time.Second
)

// streams is what the API server asks of a kubelet.
func (n *node) streams() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := remotecommand.NewOptions(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			remotecommand.ServeExec(w, r, n.at(r), r.PathValue("pod"), "", r.PathValue("container"), r.URL.Query()["command"], o, idle, opening, remotecommand.SupportedStreamingProtocols)
		}
	})
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := remotecommand.NewOptions(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			remotecommand.ServeAttach(w, r, n.at(r), r.PathValue("pod"), "", r.PathValue("container"), o, idle, opening, remotecommand.SupportedStreamingProtocols)
		}
	})
	mux.HandleFunc("/portForward/{namespace}/{pod}", func(w http.ResponseWriter, r *http.Request) {
		if o, err := portforward.NewV4Options(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		} else {
			portforward.ServePortForward(w, r, n.at(r), r.PathValue("pod"), "", o, idle, opening, portforward.SupportedProtocols)
		}
	})
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.containerLogs)
	return mux
}

// place is a pod that a stream is for.
type place struct {
	node *node
	pod  *pod
}

func (n *node) at(r *http.Request) place {
	return place{n, n.pod(r.PathValue("namespace"), r.PathValue("pod"))}
}

// ExecInContainer runs a command in the pod's directory.
func (p place) ExecInContainer(ctx context.Context, _, _, _ string, command []string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if len(command) == 0 {
		return errors.New("no command")
	}
	inside := p.pod.inside(command)
	cmd := exec.CommandContext(ctx, inside[0], inside[1:]...)
	cmd.Dir, cmd.WaitDelay = p.pod.dir, time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.pod.dir, "LANG=C.UTF-8"}
	var err error
	if tty {
		cmd.Env = append(cmd.Env, "TERM=xterm")
		err = p.withTerminal(cmd, command, in, out, resize)
	} else {
		err = p.withPipes(cmd, command, in, out, errs)
	}
	return exit(err)
}

// exit says how a command ended, in the form that the protocol reports.
func exit(err error) error {
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		code := ended.ExitCode()
		if s, ok := ended.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			code = 128 + int(s.Signal())
		}
		return utilexec.CodeExitError{Err: err, Code: code}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return utilexec.CodeExitError{Err: err, Code: 127}
	}
	return err
}

func (p place) withPipes(cmd *exec.Cmd, command []string, in io.Reader, out, errs io.WriteCloser) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if out != nil {
		cmd.Stdout = out
	}
	if errs != nil {
		cmd.Stderr = errs
	}
	if in != nil {
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		// It ends when the connection does, which may be after the command.
		go func() {
			_, _ = io.Copy(stdin, in)
			_ = stdin.Close()
		}()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	run := &process{command, cmd.Process.Pid}
	p.node.started(run)
	defer p.node.ended(run)
	return cmd.Wait()
}

func (p place) withTerminal(cmd *exec.Cmd, command []string, in io.Reader, out io.Writer, resize <-chan remotecommand.TerminalSize) error {
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return err
	}
	run := &process{command, cmd.Process.Pid}
	p.node.started(run)
	defer p.node.ended(run)
	var once sync.Once
	hangUp := func() { once.Do(func() { _ = terminal.Close() }) }
	defer hangUp()
	go func() {
		for size := range resize {
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}()
	if in != nil {
		go func() {
			_, _ = io.Copy(terminal, in)
			hangUp() // nobody is at the terminal any more
		}()
	}
	if out == nil {
		out = io.Discard
	}
	_, _ = io.Copy(out, terminal) // the kernel says EIO when the last writer is gone
	return cmd.Wait()
}

// AttachContainer runs what the container runs, for whoever attaches: a container
// without a command of its own reads and prints what it read.
func (p place) AttachContainer(ctx context.Context, name, uid, container string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	p.pod.mu.Lock()
	command := p.pod.runs[container]
	p.pod.mu.Unlock()
	if len(command) == 0 {
		command = []string{"cat"}
	}
	return p.ExecInContainer(ctx, name, uid, container, command, in, out, errs, tty, resize, 0)
}

// PortForward connects to a port of this machine, which is the pod's too.
func (p place) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("port %d: nobody listens", port)
	}
	defer conn.Close() //nolint:errcheck // both ways have ended
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(conn, stream)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	go func() {
		defer close(gone)
		_, _ = io.Copy(stream, conn)
	}()
	<-gone
	return nil
}

// containerLogs writes a container's log, each piece by itself.
func (n *node) containerLogs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	log := n.at(r).pod.log(r.PathValue("container"))
	w.Header().Set("Content-Type", "text/plain")
	next := 0
	left, err := strconv.Atoi(q.Get("limitBytes"))
	limited := err == nil
	for {
		pieces, over, changed := log.after(next)
		next += len(pieces)
		if lines, err := strconv.Atoi(q.Get("tailLines")); err == nil && next == len(pieces) {
			pieces = tail(pieces, lines)
		}
		for _, piece := range pieces {
			if q.Get("timestamps") == "true" {
				piece = "2026-01-02T03:04:05.000000006Z " + piece
			}
			if limited {
				piece = piece[:min(len(piece), left)]
				left -= len(piece)
			}
			_, _ = io.WriteString(w, piece) // whoever reads it may be gone
			_ = http.NewResponseController(w).Flush()
		}
		if over || q.Get("follow") != "true" {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// tail returns the last lines of a log, as one piece.
func tail(pieces []string, lines int) []string {
	all := strings.SplitAfter(strings.Join(pieces, ""), "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return []string{strings.Join(all[max(0, len(all)-lines):], "")}
}

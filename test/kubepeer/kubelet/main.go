// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command kubelet is the node of a cluster in tests. It runs the commands of its pods
// as programs of this machine, in a directory for each pod, and speaks the streaming
// protocols of Kubernetes with the code that container runtimes do.
//
//	kubelet DIRECTORY API CA TOKEN CERT KEY
//
// It prints one line of JSON with its port and the URL of its control port, and ends
// when its standard input does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kubelet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 6 {
		return errors.New("want: kubelet DIRECTORY API CA TOKEN CERT KEY")
	}
	api, err := newAPI(args[1], args[2], args[3])
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(args[4], args[5])
	if err != nil {
		return err
	}
	node := &node{dir: args[0], api: api, pods: map[string]*pod{}}
	streams, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// SPDY wants the connection itself, so HTTP/2 must not be chosen.
	servers := []*http.Server{
		{Handler: node.streams(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}, ReadHeaderTimeout: time.Minute},
		{Handler: node.control(), ReadHeaderTimeout: time.Minute},
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { _ = servers[0].ServeTLS(streams, "", "") })
	all.Go(func() { _ = servers[1].Serve(control) })
	all.Go(func() { node.follow(ctx, streams.Addr().(*net.TCPAddr).Port) })
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"port": streams.Addr().(*net.TCPAddr).Port, "control": "http://" + control.Addr().String(),
	})
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	cancel()
	node.kill()
	for _, s := range servers {
		_ = s.Close() // what is still open belongs to a test that is over
	}
	all.Wait()
	return err
}

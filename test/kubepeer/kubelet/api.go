// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	nodeName = "node-1"
	pollTime = 150 * time.Millisecond
)

// api is the API server, as its administrator.
type api struct {
	url, token string
	http       *http.Client
}

func newAPI(url, ca, token string) (*api, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	return &api{url, token, &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}}, nil
}

// do asks the API server; a body is sent as a strategic merge patch unless the verb
// is POST or PUT.
func (a *api) do(ctx context.Context, verb, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, verb, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	if verb == http.MethodPatch {
		req.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	}
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", verb, path, res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

type meta struct {
	Name, Namespace   string
	DeletionTimestamp string
}

type container struct {
	Name, Image string
	Command     []string
	Args        []string
	TTY         bool
}

type podObject struct {
	Metadata meta
	Spec     struct {
		NodeName            string
		Containers          []container
		EphemeralContainers []container
	}
	Status struct {
		Phase                      string
		EphemeralContainerStatuses []struct{ Name string }
	}
}

// follow makes a node of this process and does, again and again, what a scheduler, a
// kubelet and the controller of namespaces do.
func (n *node) follow(ctx context.Context, port int) {
	registered := false
	for ctx.Err() == nil {
		err := error(nil)
		if !registered {
			err = n.register(ctx, port)
			registered = err == nil
		}
		if err == nil {
			err = errors.Join(n.followPods(ctx), n.followNamespaces(ctx))
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "kubelet:", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollTime):
		}
	}
}

func (n *node) register(ctx context.Context, port int) error {
	err := n.api.do(ctx, http.MethodPost, "/api/v1/nodes", map[string]any{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": nodeName},
	}, nil)
	if err != nil {
		return err
	}
	return n.api.do(ctx, http.MethodPatch, "/api/v1/nodes/"+nodeName+"/status", map[string]any{"status": map[string]any{
		"addresses":       []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": port}},
		"conditions":      []any{map[string]any{"type": "Ready", "status": "True"}},
	}}, nil)
}

func (n *node) followPods(ctx context.Context) error {
	var pods struct{ Items []podObject }
	if err := n.api.do(ctx, http.MethodGet, "/api/v1/pods", nil, &pods); err != nil {
		return err
	}
	var errs []error
	for _, p := range pods.Items {
		errs = append(errs, n.followPod(ctx, p))
	}
	return errors.Join(errs...)
}

func (n *node) followPod(ctx context.Context, p podObject) error {
	path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
	switch {
	case p.Metadata.DeletionTimestamp != "":
		return n.api.do(ctx, http.MethodDelete, path, map[string]any{"gracePeriodSeconds": 0}, nil)
	case p.Spec.NodeName == "":
		return n.api.do(ctx, http.MethodPost, path+"/binding", map[string]any{
			"apiVersion": "v1", "kind": "Binding", "metadata": map[string]any{"name": p.Metadata.Name}, "target": map[string]any{"kind": "Node", "name": nodeName},
		}, nil)
	case p.Spec.NodeName != nodeName:
		return nil
	case p.Status.Phase != "Running":
		n.pod(p.Metadata.Namespace, p.Metadata.Name)
		return n.api.do(ctx, http.MethodPatch, path+"/status", map[string]any{"status": map[string]any{
			"phase": "Running", "podIP": "10.0.0.7", "startTime": "2026-01-02T03:04:05Z",
			"conditions":        []any{map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "ContainersReady", "status": "True"}},
			"containerStatuses": running(p.Spec.Containers),
		}}, nil)
	case len(p.Status.EphemeralContainerStatuses) < len(p.Spec.EphemeralContainers):
		for _, c := range p.Spec.EphemeralContainers {
			n.attachable(p.Metadata, c)
		}
		return n.api.do(ctx, http.MethodPatch, path+"/status", map[string]any{"status": map[string]any{
			"ephemeralContainerStatuses": running(p.Spec.EphemeralContainers),
		}}, nil)
	}
	return nil
}

// attachable has a container run its command, or a shell, for those who attach.
func (n *node) attachable(m meta, c container) {
	command := append(c.Command, c.Args...)
	if len(command) == 0 {
		command = []string{"sh"}
	}
	p := n.pod(m.Namespace, m.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[c.Name] = command
}

func running(cs []container) []any {
	var out []any
	for _, c := range cs {
		out = append(out, map[string]any{
			"name": c.Name, "image": c.Image, "imageID": "none", "ready": true, "started": true, "restartCount": 0,
			"containerID": "process://" + c.Name, "state": map[string]any{"running": map[string]any{"startedAt": "2026-01-02T03:04:05Z"}},
		})
	}
	return out
}

// followNamespaces lets go of namespaces that are being deleted.
func (n *node) followNamespaces(ctx context.Context) error {
	var all struct{ Items []map[string]any }
	if err := n.api.do(ctx, http.MethodGet, "/api/v1/namespaces", nil, &all); err != nil {
		return err
	}
	for _, ns := range all.Items {
		m, _ := ns["metadata"].(map[string]any)
		if m["deletionTimestamp"] == nil {
			continue
		}
		ns["spec"] = map[string]any{"finalizers": []any{}}
		ns["apiVersion"], ns["kind"] = "v1", "Namespace"
		if err := n.api.do(ctx, http.MethodPut, fmt.Sprintf("/api/v1/namespaces/%s/finalize", m["name"]), ns, nil); err != nil {
			return err
		}
	}
	return nil
}

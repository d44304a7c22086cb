// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
)

// kubernetesSteps are the chapter of Kubernetes.
func kubernetesSteps() []step {
	return []step{
		{
			"Kubernetes: kubectl logs in with the job's own token",
			"The kubeconfig has no secret in it: kubectl runs sallyport, which gets a token for some minutes. The cluster sees the job's name.", podsListed,
		},
		{
			"Kubernetes: a Secret has its keys, and none of its values",
			"No scanner is asked, since a password looks like nothing.", secretMasked,
		},
		{
			"Kubernetes: logs are masked as they come",
			"What follows a log (-f) gets each line when it is complete.", logsMasked,
		},
		{
			"Kubernetes: nothing is run in a container",
			"The job may look, and the cluster has no list of commands. The refusal comes before the connection is taken over.", execRefused,
		},
		{
			"Kubernetes: deleting a namespace waits for a person, who says no",
			"Everything in it would be gone.", namespaceHeld,
		},
	}
}

// kubectlAs is a kubectl of the CI job. It runs sallyport by its name.
func (s *stage) kubectlAs(args ...string) invocation {
	env := s.environment([]variable{{"KUBECONFIG", s.path("kubeconfig")}, {"SALLYPORT_PROFILE", s.path(job().name, "profile.json")}})
	env[0] = "PATH=" + filepath.Dir(s.env.Self) + ":" + s.env.Getenv("PATH")
	return invocation{who: job().name, name: "kubectl", path: s.hosts.at.Kubernetes.Kubectl, args: args, env: env}
}

func podsListed(ctx context.Context, s *stage) error {
	if err := s.remember(ctx, job()); err != nil {
		return err
	}
	in := invocation{
		who: job().name, name: "sallyport", path: s.env.Self, args: []string{"env", cluster, "--role", role, "--kubeconfig", "kubeconfig"},
		env: s.environment([]variable{{"SALLYPORT_PROFILE", s.path(job().name, "profile.json")}}),
	}
	if _, err := s.expect(ctx, in, 0, "KUBECONFIG"); err != nil {
		return err
	}
	_, err := s.expect(ctx, s.kubectlAs("get", "pods", "-n", namespace), 0, pod, "Running")
	return err
}

func secretMasked(ctx context.Context, s *stage) error {
	r, err := s.expect(ctx, s.kubectlAs("get", "secret", secretName, "-n", namespace, "-o", "jsonpath={.data}"), 0, "password", "username")
	if err != nil {
		return err
	}
	if strings.Count(r.out, base64.StdEncoding.EncodeToString([]byte("[SECRET]"))) != 2 {
		return errors.New("a value is not masked")
	}
	return nil
}

func logsMasked(ctx context.Context, s *stage) error {
	_, err := s.expect(ctx, s.kubectlAs("logs", pod, "-n", namespace), 0, "row 1: SSN [", "row 5: SSN [")
	return err
}

func execRefused(ctx context.Context, s *stage) error {
	_, err := s.expect(ctx, s.kubectlAs("exec", pod, "-n", namespace, "--", "cat", "/etc/passwd"), failure)
	return err
}

func namespaceHeld(ctx context.Context, s *stage) error {
	if _, err := s.denied(ctx, s.kubectlAs("delete", "namespace", namespace), "", "the intake still runs"); err != nil {
		return err
	}
	_, err := s.expect(ctx, s.kubectlAs("get", "namespace", namespace), 0, namespace, "Active")
	return err
}

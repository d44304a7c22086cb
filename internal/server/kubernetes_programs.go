// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes"
)

// kubernetesPrograms makes the connector's form of what may run in containers, and of
// which of their files may be copied.
func kubernetesPrograms(r config.Resource, deps Deps) (kubernetes.Programs, error) {
	k := r.Kubernetes
	p := kubernetes.Programs{Rand: deps.Rand, Guess: catalog.LabelOf}
	var templates []shell.Template
	for _, c := range k.Commands {
		t := shell.Template{Name: c.Name, Words: c.Words, Labels: c.Labels, Shell: c.Shell}
		if c.Effect != "" {
			e, ok := httpapi.ParseEffect(c.Effect)
			if !ok {
				return p, sallyport.E(sallyport.Invalid, "resource", "a command of "+string(r.Name)+" has no known effect")
			}
			t.Effect = e
		}
		templates = append(templates, t)
	}
	var err error
	if p.Commands, err = shell.NewCommands(templates, k.Unlisted == "judge", nil); err != nil {
		return p, err
	}
	if k.Files != nil {
		p.Files, err = containerFiles(k.Files)
	}
	return p, err
}

// containerFiles makes the analyser's form of what is shown of containers' files.
func containerFiles(x *config.Files) (*files.Layout, error) {
	o := files.Options{Root: x.Root, Judge: x.Unlisted == "judge", MaxFile: int64(x.MaxFile), MaxMasked: int64(x.MaxMasked)}
	for _, p := range x.Prefixes {
		o.Prefixes = append(o.Prefixes, files.Prefix{Prefix: p.Prefix, Labels: p.Labels, Plain: p.PlainNames})
	}
	return files.NewLayout(o)
}

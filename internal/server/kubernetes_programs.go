// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes"
)

// kubernetesPrograms makes the connector's form of what may run in containers, and of
// which of their files may be copied.
func kubernetesPrograms(r config.Resource, deps Deps) (kubernetes.Programs, error) {
	k := r.Kubernetes
	p := kubernetes.Programs{Rand: deps.Rand, Guess: catalog.LabelOf}
	var err error
	if p.Commands, err = commandsOf(r.Name, k.Commands, k.Unlisted == "judge", nil); err != nil {
		return p, err
	}
	if k.Files != nil {
		p.Files, err = filesLayout(k.Files)
	}
	return p, err
}

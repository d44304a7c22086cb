// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"io"

	"golang.org/x/sync/semaphore"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
)

// Programs say what may run in a cluster's containers.
type Programs struct {
	// Commands are the commands that are known; nil for none.
	Commands *shell.Commands
	// Files says which files of containers may be copied; nil for none.
	Files *files.Layout
	// Guess gives a column that no rule names a label, or "". May be nil.
	Guess func(column string) sallyport.Label
	// Rand is for handshakes and masks of connections to the cluster.
	Rand io.Reader
}

// machinery is what programs in containers need. It is safe for concurrent use.
type machinery struct {
	programs    kube.Programs
	diagnostics *payload.Masks // of what a cluster says of a program
	objects     *objectmask.Masks
	refusals    *refusals
	memory      *semaphore.Weighted // of files that are masked, in bytes
}

func newMachinery(cfg *Config) (m machinery, err error) {
	p := cfg.Programs
	if p.Commands == nil {
		if p.Commands, err = shell.NewCommands(nil, false, nil); err != nil {
			return m, err
		}
	}
	m = machinery{
		programs: kube.Programs{Layout: cfg.Layout, Commands: p.Commands, Files: p.Files},
		refusals: newRefusals(cfg.Now), memory: semaphore.NewWeighted(maskedMemory),
	}
	if m.diagnostics, err = payload.New(cfg.Masking, payload.Options{ScanText: true}); err != nil {
		return m, err
	}
	m.objects, err = objectmask.New(cfg.Masking, p.Guess)
	return m, err
}

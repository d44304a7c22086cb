// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh/sftp"
	"github.com/sallyport-dev/sallyport/internal/derived"
)

// filesLayout makes the analyser's form of what a resource shows of its files.
func filesLayout(x *config.Files) (*files.Layout, error) {
	o := files.Options{Root: x.Root, Judge: x.Unlisted == "judge", MaxFile: int64(x.MaxFile), MaxMasked: int64(x.MaxMasked)}
	for _, p := range x.Prefixes {
		o.Prefixes = append(o.Prefixes, files.Prefix{Prefix: p.Prefix, Labels: p.Labels, Plain: p.PlainNames})
	}
	return files.NewLayout(o)
}

// sftpRelay makes what serves the files of a resource that shows some.
func (g *Gateway) sftpRelay(r config.Resource, cfg ssh.TargetConfig) (*sftp.Relay, error) {
	if cfg.Layout == nil {
		return nil, nil
	}
	store, err := g.maskedFiles(r, int64(r.SSH.Files.MaxMasked))
	if err != nil {
		return nil, err
	}
	return sftp.New(sftp.Config{
		Resource: r.Name, Layout: cfg.Layout, Masking: cfg.Masking, Guess: catalog.LabelOf, Derived: store, Now: g.deps.Now, Rand: g.deps.Rand,
	})
}

// maskedFiles opens the store of a resource's masked files.
func (g *Gateway) maskedFiles(r config.Resource, most int64) (*derived.Store, error) {
	s, err := derived.Open(derived.Options{
		Dir: g.path("masked", string(r.Name)), Keys: g.vault, Now: g.deps.Now, Rand: g.deps.Rand, Release: g.deps.Version, MaxSource: most,
	})
	if err != nil {
		return nil, err
	}
	g.opened(func(context.Context) error { s.Close(); return nil })
	return s, nil
}

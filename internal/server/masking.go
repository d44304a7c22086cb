// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/detector/dlp"
	"github.com/sallyport-dev/sallyport/internal/detector/presidio"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Sources are where what a configuration names is had from.
type Sources struct {
	// Lease returns a secret; nil checks a configuration without its secrets.
	Lease func(ctx context.Context, ref vault.Ref) (*vault.Lease, error)
	// Lexicon returns the lists of words, the same at each call.
	Lexicon func() (*lexicon.Lexicon, error)
	// Log hears when a detector fails and when it is back. Its errors hold no text.
	Log *slog.Logger
}

// uncheckedSecret stands for a secret where a configuration is only checked.
const uncheckedSecret = "a configuration is checked without its secrets"

// MaskingRules reads and compiles the masking rules at path; "" stands for the
// rules that hold where none are given.
func MaskingRules(ctx context.Context, path string, src Sources, now func() time.Time) (*rules.Set, error) {
	if path == "" {
		return src.Compile(ctx, "", rules.Default(), now)
	}
	f, err := ReadMaskingRules(path)
	if err != nil {
		return nil, err
	}
	return src.Compile(ctx, path, f, now)
}

// ReadMaskingRules reads the masking rules at path.
func ReadMaskingRules(path string) (*rules.File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "masking rules", "the masking rules "+path+" cannot be read").
			WithHint("name a file as docs/reference/masking.md describes it").Because(err)
	}
	return rules.Parse(path, b)
}

// Compile compiles rules that were read from path; its directory is what relative
// paths in them are relative to.
func (s Sources) Compile(ctx context.Context, path string, f *rules.File, now func() time.Time) (*rules.Set, error) {
	return rules.Compile(f, rules.Deps{
		Now: now, Lexicon: s.Lexicon,
		Secret:   func(ref string) ([]byte, error) { return s.secret(ctx, beside(path, ref)) },
		Detector: func(d rules.Detector) (mask.Detector, error) { return s.detector(ctx, path, d, now) },
	})
}

// detector opens a detector that masking rules name. It asks nothing yet.
func (s Sources) detector(ctx context.Context, path string, d rules.Detector, now func() time.Time) (mask.Detector, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, sallyport.E(sallyport.Internal, "masking rules", "there is no way to reach a detector")
	}
	c := detector.Config{Client: &http.Client{Transport: transport.Clone()}, Version: d.Version, ValueTimeout: d.Timeout, Now: now}
	if d.Type == "presidio" {
		p, err := presidio.New(presidio.Config{Config: c, URL: d.URL, Language: d.Language, Entities: d.Entities, Threshold: d.Threshold})
		return &watched{Detector: p, name: d.Name, log: s.Log}, err
	}
	token, err := s.secret(ctx, beside(path, d.Token))
	if err != nil {
		return nil, err
	}
	g, err := dlp.New(dlp.Config{
		Config: c, URL: d.URL, Project: d.Project, Location: cmp.Or(d.Location, "global"), InfoTypes: d.Entities,
		Token: func(context.Context) (string, error) { return string(token), nil },
	})
	return &watched{Detector: g, name: d.Name, log: s.Log}, err
}

// watched tells the operator's log when a detector begins to fail, since all that
// clients see is that values are masked whole.
type watched struct {
	mask.Detector
	name   string
	log    *slog.Logger
	failed atomic.Bool
}

// Detect implements [mask.Detector].
func (w *watched) Detect(ctx context.Context, batch [][]byte) ([][]scan.Span, error) {
	found, err := w.Detector.Detect(ctx, batch)
	if w.failed.Swap(err != nil) != (err != nil) {
		if err != nil {
			w.log.Warn("a detector fails; its columns are masked whole", "detector", w.name, "err", err)
		} else {
			w.log.Info("a detector answers again", "detector", w.name)
		}
	}
	return found, err
}

// secret returns a copy of the secret behind a reference.
func (s Sources) secret(ctx context.Context, ref string) ([]byte, error) {
	if s.Lease == nil {
		return []byte(uncheckedSecret), nil
	}
	r, err := vault.ParseRef(ref)
	if err != nil {
		return nil, err
	}
	lease, err := s.Lease(ctx, r)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	return append([]byte(nil), lease.Password()...), nil
}

// beside resolves the path of a "file:" reference against the directory of the
// file that it stands in.
func beside(file, ref string) string {
	name, ok := strings.CutPrefix(ref, "file:")
	if !ok || filepath.IsAbs(name) {
		return ref
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(file), name))
	if err != nil {
		return ref
	}
	return "file:" + abs
}

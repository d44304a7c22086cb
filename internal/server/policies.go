// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// policies holds the loaded policy set and looks for changed files.
type policies struct {
	patterns []config.Path
	events   *session.Events
	log      *slog.Logger
	set      atomic.Pointer[policy.Set]
	seen     string // the text looked at last, loaded or refused
	// loaded is called after another set came into force; nil for the first.
	loaded func(context.Context) error
}

// current returns the loaded set.
func (p *policies) current() *policy.Set { return p.set.Load() }

// ReadPolicies reads the policy files that the patterns select, sorted by name.
func ReadPolicies(patterns []config.Path) ([]policy.File, error) {
	var names []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(string(pattern))
		if err != nil || len(found) == 0 {
			return nil, sallyport.E(sallyport.Invalid, "policy", "no policy file matches "+string(pattern)).
				WithHint("name the files in policy.files").Because(err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	var files []policy.File
	for _, n := range slices.Compact(names) {
		b, err := os.ReadFile(n)
		if err != nil {
			return nil, sallyport.E(sallyport.Unavailable, "policy", "a policy file cannot be read").Because(err)
		}
		files = append(files, policy.File{Name: filepath.Base(n), Text: string(b)})
	}
	return files, nil
}

// openPolicy loads the policies; at the start a set that does not compile is an
// error.
func (g *Gateway) openPolicy(ctx context.Context) error {
	g.policy = &policies{patterns: g.cfg.Policy.Files, events: g.events, log: g.deps.Log}
	return g.policy.load(ctx)
}

// load reads and compiles the files. A set that cannot be used is put on record
// and leaves the old one in force.
func (p *policies) load(ctx context.Context) error {
	files, err := ReadPolicies(p.patterns)
	if err != nil {
		return p.refuse(ctx, err.Error(), err)
	}
	var text strings.Builder
	for _, f := range files {
		text.WriteString(f.Name + "\x00" + f.Text + "\x00")
	}
	if text.String() == p.seen {
		return nil
	}
	set, diags := policy.Compile(files)
	if err := diags.Err(); err != nil {
		rerr := p.refuse(ctx, text.String(), sallyport.E(sallyport.Invalid, "policy", "the policies do not compile:\n"+diags.String()))
		return rerr
	}
	for _, d := range diags {
		p.log.Warn("policy: " + d.String())
	}
	if err := p.events.PolicyLoaded(ctx, set.Digest(), source(files), set.Text()); err != nil {
		return err
	}
	p.seen = text.String()
	p.set.Store(set)
	p.log.Info("policies loaded", "digest", set.Digest(), "rules", set.Len())
	if p.loaded != nil {
		return p.loaded(ctx)
	}
	return nil
}

// refuse records, once for each content, that a set was not taken.
func (p *policies) refuse(ctx context.Context, content string, why error) error {
	if content != p.seen {
		p.seen = content
		p.log.Error("the policies were refused; the old set stays in force", "err", why)
		if err := p.events.PolicyRefused(ctx, strings.Join(paths(p.patterns), " "), shortened(why.Error())); err != nil {
			p.log.Error("that policies were refused cannot be put on record", "err", err)
			return err
		}
	}
	return why
}

// maxRefusal bounds what a leaf repeats of the problems of a set, in bytes; the
// operator's log has them all.
const maxRefusal = 8 << 10

func shortened(text string) string {
	if len(text) <= maxRefusal {
		return text
	}
	return strings.ToValidUTF8(text[:maxRefusal], "") + " ... (cut)"
}

// watch loads changed files until ctx ends.
func (p *policies) watch(ctx context.Context, every time.Duration) {
	if every <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = p.load(ctx) // what is wrong is logged and on record
		}
	}
}

func source(files []policy.File) string {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	return strings.Join(names, " ")
}

func paths(in []config.Path) []string {
	out := make([]string, len(in))
	for i, p := range in {
		out[i] = filepath.Base(string(p))
	}
	return out
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package detector asks services outside the gateway what they find in a text.
// It holds what they have in common; the packages presidio and dlp below it speak
// to one each.
//
// A detector only ever adds findings: the scanner has looked before it. It is
// asked about free text where a site has configured it, and its answer counts
// only when it is whole. A time-out, a status other than 200, a redirect, an
// answer that is too large, is not of the documented shape or points outside the
// text is an error, and the caller masks the value whole. After five failures in
// a row a service is left alone for half a minute, in which every call fails at
// once.
//
// Texts travel to the service and nowhere else: not into errors, not into the
// cache, which knows them by a keyed hash. A service is reached over https, or
// on the gateway's own host.
package detector

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// The limits where a configuration gives none.
const (
	DefaultValueTimeout = 250 * time.Millisecond
	DefaultBatchTimeout = 2 * time.Second
	DefaultCacheTTL     = 10 * time.Minute
)

const (
	maxText   = 500 << 10 // bytes of one text, and of the texts of one request
	maxTexts  = 64        // texts of one request
	maxAnswer = 8 << 20   // bytes
)

// Config is what all detectors are configured by.
type Config struct {
	// Client reaches the service. Redirects are refused whatever it says.
	Client *http.Client
	// Version is what masking events name as the detector's version, where the
	// service does not tell it: the release of its image and its model.
	Version string
	// ValueTimeout bounds one text, BatchTimeout one call of Detect.
	ValueTimeout, BatchTimeout time.Duration
	// Now is the clock of the circuit breaker and the cache.
	Now func() time.Time
	// CacheKey turns the cache on: at least 16 random bytes that live as long as
	// the process. CacheEntries bounds it.
	CacheKey     []byte
	CacheEntries int
	CacheTTL     time.Duration
}

// Ask asks a service about some texts in one request. The findings of a text may
// overlap and come in any order.
type Ask func(ctx context.Context, texts []string) ([][]scan.Span, error)

// Service is a detector around one Ask: it cuts batches into requests, keeps to
// the deadlines and checks what comes back. It is safe for concurrent use.
type Service struct {
	name    string
	c       Config
	ask     Ask
	breaker breaker
	cache   *cache // nil when there is none
}

// NewService makes a detector of an Ask.
func NewService(name string, c Config, ask Ask) (*Service, error) {
	bad := func(msg, hint string) error {
		return sallyport.E(sallyport.Invalid, "detector "+name, msg).WithHint(hint)
	}
	switch {
	case c.Now == nil:
		return nil, bad("there is no clock", "give one, such as time.Now")
	case c.ValueTimeout < 0 || c.BatchTimeout < 0 || c.CacheTTL < 0 || c.CacheEntries < 0:
		return nil, bad("a limit is negative", "leave it out for the default")
	case c.CacheEntries > 0 && len(c.CacheKey) < 16:
		return nil, bad("the cache's key is too short", "give at least 16 random bytes, or no cache")
	}
	c.ValueTimeout = orDefault(c.ValueTimeout, DefaultValueTimeout)
	c.BatchTimeout = orDefault(c.BatchTimeout, DefaultBatchTimeout)
	c.CacheTTL = orDefault(c.CacheTTL, DefaultCacheTTL)
	if c.Version == "" {
		c.Version = "unknown"
	}
	s := &Service{name: name, c: c, ask: ask}
	if c.CacheEntries > 0 {
		s.cache = newCache(c.CacheKey, c.CacheEntries, c.CacheTTL)
	}
	return s, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Name returns the detector's name, as masking events write it.
func (s *Service) Name() string { return s.name }

// Version returns the configured version of the service, or "unknown".
func (s *Service) Version() string { return s.c.Version }

// Detect returns the findings in each text of a batch, in order and without
// overlap. An error says nothing about any of them: all have to be masked whole.
func (s *Service) Detect(ctx context.Context, batch [][]byte) ([][]scan.Span, error) {
	found := make([][]scan.Span, len(batch))
	var texts []string
	var at []int // where each text stands in the batch
	for i, b := range batch {
		switch {
		case len(b) == 0:
			continue
		case len(b) > maxText:
			return nil, sallyport.E(sallyport.Exhausted, "detector "+s.name, "a text is too large for the detector")
		case !utf8.Valid(b):
			return nil, sallyport.E(sallyport.Invalid, "detector "+s.name, "a text is not UTF-8")
		}
		if spans, ok := s.cache.get(b, s.c.Now()); ok {
			found[i] = spans
			continue
		}
		texts, at = append(texts, string(b)), append(at, i)
	}
	if len(texts) == 0 {
		return found, nil
	}
	spans, err := s.guarded(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i, sp := range spans {
		found[at[i]] = sp
		s.cache.put(batch[at[i]], sp, s.c.Now())
	}
	return found, nil
}

// guarded asks through the circuit breaker.
func (s *Service) guarded(ctx context.Context, texts []string) ([][]scan.Span, error) {
	if !s.breaker.enter(s.c.Now()) {
		return nil, sallyport.E(sallyport.Unavailable, "detector "+s.name, "the detector has failed and is left alone for a while").
			WithHint("see earlier errors of the detector; it is tried again within half a minute")
	}
	spans, err := s.askAll(ctx, texts)
	switch {
	case err == nil:
		s.breaker.leave(succeeded, s.c.Now())
	case ctx.Err() != nil: // the caller's end, not the service's
		s.breaker.leave(undecided, s.c.Now())
	default:
		s.breaker.leave(failed, s.c.Now())
	}
	if err != nil {
		return nil, err
	}
	return spans, nil
}

// askAll sends the texts in as many requests as the limits ask for.
func (s *Service) askAll(ctx context.Context, texts []string) ([][]scan.Span, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.BatchTimeout)
	defer cancel()
	var all [][]scan.Span
	for len(texts) > 0 {
		n, size := 0, 0
		for n < len(texts) && n < maxTexts && (n == 0 || size+len(texts[n]) <= maxText) {
			size += len(texts[n])
			n++
		}
		spans, err := s.askOnce(ctx, texts[:n])
		if err != nil {
			return nil, err
		}
		all, texts = append(all, spans...), texts[n:]
	}
	return all, nil
}

func (s *Service) askOnce(ctx context.Context, texts []string) ([][]scan.Span, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(texts))*s.c.ValueTimeout)
	defer cancel()
	spans, err := s.ask(ctx, texts)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "detector "+s.name, "the detector gave no usable answer").
			WithHint("what it would have looked at is masked whole; check the service").Because(err)
	}
	if len(spans) != len(texts) {
		return nil, partial(s.name)
	}
	for i := range spans {
		if spans[i], err = settle(texts[i], spans[i]); err != nil {
			return nil, partial(s.name).Because(err)
		}
	}
	return spans, nil
}

func partial(name string) *sallyport.Error {
	return sallyport.E(sallyport.Integrity, "detector "+name, "the detector's answer does not fit the texts").
		WithHint("what it would have looked at is masked whole; check that the service's release is a supported one")
}

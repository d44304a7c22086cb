// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// cache remembers findings by a keyed hash of the text, in two generations: when
// the young one is full it becomes the old one, and the old one goes. So it is
// bounded, and what is used stays. A nil cache is empty.
type cache struct {
	key []byte
	cap int // entries of a generation
	ttl time.Duration

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]cached
}

type cached struct {
	spans []scan.Span
	until time.Time
}

func newCache(key []byte, entries int, ttl time.Duration) *cache {
	return &cache{key: slices.Clone(key), cap: max(1, entries/2), ttl: ttl, young: make(map[[sha256.Size]byte]cached)}
}

func (c *cache) name(text []byte) (name [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key)
	h.Write(text)
	h.Sum(name[:0])
	return name
}

// get returns a copy of the findings in a text.
func (c *cache) get(text []byte, now time.Time) ([]scan.Span, bool) {
	if c == nil {
		return nil, false
	}
	name := c.name(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.young[name]
	if !ok {
		if e, ok = c.old[name]; ok && now.Before(e.until) {
			c.store(name, e)
		}
	}
	if !ok || !now.Before(e.until) {
		return nil, false
	}
	return slices.Clone(e.spans), true
}

func (c *cache) put(text []byte, spans []scan.Span, now time.Time) {
	if c == nil {
		return
	}
	name := c.name(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(name, cached{slices.Clone(spans), now.Add(c.ttl)})
}

func (c *cache) store(name [sha256.Size]byte, e cached) {
	if len(c.young) >= c.cap {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]cached)
	}
	c.young[name] = e
}

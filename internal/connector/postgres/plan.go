// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// plan is what the gateway knows about a statement's text: its class and
// effects, and where its outputs come from. It holds names and numbers, never a
// value, and does not change once made, so that sessions share it.
type plan struct {
	gated *analyze.Gated
	stmt  *sallyport.Statement
	// lineage is what the tree told; nil for statements that have none.
	lineage *analyze.Plan
	// treeKey is the server's tree with its constants blanked; "" for statements
	// that have none.
	treeKey string
	// inner describes the answer of the query inside COPY ... TO STDOUT.
	inner []pgwire.Field
	// cursor is the plan of the query that DECLARE gives a name.
	cursor *plan
	// calls says that functions are called whose statements may show trees too.
	calls bool
	// unproved says that no tree could be had; everything is masked.
	unproved bool
	// subjects says whose rows the answer is made of.
	subjects subjects
}

// maxKey is the longest cache key in bytes. Longer statements are analysed
// every time.
const maxKey = 8 << 10

// maxPlans bounds each of a cache's two generations.
const maxPlans = 2048

// planCache keeps plans by a full key (never by a hash alone). It has two
// generations: when the young one is full it becomes the old one, and what is
// asked for again moves back.
type planCache struct {
	mu         sync.Mutex
	young, old map[string]*plan
}

func newPlanCache() *planCache { return &planCache{young: map[string]*plan{}} }

func (c *planCache) get(key []byte) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.young[string(key)]; p != nil {
		return p
	}
	if p := c.old[string(key)]; p != nil {
		c.add(string(key), p)
		return p
	}
	return nil
}

func (c *planCache) put(key []byte, p *plan) {
	if len(key) > maxKey {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(string(key), p)
}

func (c *planCache) add(key string, p *plan) {
	if len(c.young) >= maxPlans {
		c.old, c.young = c.young, map[string]*plan{}
	}
	c.young[key] = p
}

// clear forgets every plan, because the catalogue or its labels changed.
func (c *planCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = map[string]*plan{}, nil
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// statement is one statement of a session with everything that is on record
// about it.
type statement struct {
	Stmt     uint64                 `json:"stmt"`
	At       time.Time              `json:"at"`
	Phase    string                 `json:"phase,omitempty"` // "analyse" or "execute"; "" when it was denied
	Mode     string                 `json:"mode,omitempty"`  // "before-forward" or "before-release"
	Of       uint64                 `json:"of,omitempty"`    // the statement that holds its text
	Class    string                 `json:"class"`
	Readable string                 `json:"readable"`
	Digest   string                 `json:"digest"`
	Objects  []string               `json:"objects,omitempty"`
	Effects  []string               `json:"effects,omitempty"`
	Verdict  string                 `json:"verdict"` // "allow" or "deny"
	Rules    []sallyport.RuleID     `json:"rules"`
	Policy   sallyport.PolicyDigest `json:"policy"`
	Reason   string                 `json:"reason,omitempty"` // of a denial
	Grant    sallyport.GrantID      `json:"grant,omitempty"`
	Request  sallyport.RequestID    `json:"request,omitempty"` // the hold that ended in the denial
	Approval *approval              `json:"approval,omitempty"`
	Masks    []evidence.MaskPlan    `json:"masks,omitempty"`   // what was to be masked
	Masked   []masked               `json:"masked,omitempty"`  // what was
	Outcome  *evidence.Outcome      `json:"outcome,omitempty"` // absent: it may have been executed
}

// approval is a human's decision that let a held statement pass.
type approval struct {
	Request   sallyport.RequestID   `json:"request"`
	Approver  sallyport.PrincipalID `json:"approver"`
	Rationale string                `json:"rationale"`
	At        time.Time             `json:"at"`
}

// masked is a masking event.
type masked struct {
	Output   int               `json:"output"` // from 0; -1 for a diagnostic
	Columns  []string          `json:"columns,omitempty"`
	Labels   []sallyport.Label `json:"labels,omitempty"`
	Reason   string            `json:"reason"`
	Operator string            `json:"operator"`
	Seen     uint64            `json:"seen"`
	Masked   uint64            `json:"masked"`
	Nulls    uint64            `json:"nulls"`
}

// openDoc is how a session was opened: its leaf without the wrapped keys.
type openDoc struct {
	At        time.Time              `json:"at"`
	Principal sallyport.Principal    `json:"principal"`
	Resource  sallyport.ResourceID   `json:"resource"`
	Protocol  string                 `json:"protocol"`
	Role      sallyport.RoleID       `json:"role"`
	Grant     *sallyport.Grant       `json:"grant,omitempty"`
	Rules     []sallyport.RuleID     `json:"rules"`
	Policy    sallyport.PolicyDigest `json:"policy"`
	Client    string                 `json:"client"`
	TLS       string                 `json:"tls,omitempty"`
	Upstream  string                 `json:"upstream_tls"`
	Lineage   string                 `json:"lineage"`
	Notes     []string               `json:"notes,omitempty"`
}

// text is what later statements of the same text leave out.
type text struct {
	class, readable  string
	objects, effects []string
	masks            []evidence.MaskPlan
}

// story is what the leaves of a session tell, for one page of its statements.
type story struct {
	page       page
	open       *evidence.SessionOpen
	at         time.Time // when it was opened
	statements []*statement
	more       bool
	chunks     []evidence.Recording
	close      *evidence.SessionClose
	erased     string // when and by what its recording was; "" while it is there

	byNumber map[uint64]*statement
	texts    map[uint64]text // by the number of the statement that holds the text
}

func newStory(p page) *story {
	return &story{page: p, byNumber: map[uint64]*statement{}, texts: map[uint64]text{}}
}

// story reads a session's leaves.
func (a *api) story(ctx context.Context, s store.Session, p page) (*story, error) {
	t := newStory(p)
	err := a.g.leaves(ctx, s.ID, func(leaf []byte) error {
		l, err := evidence.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		return t.add(l)
	})
	return t, err
}

// leaves calls fn with each leaf of a session, in order.
func (g *Gateway) leaves(ctx context.Context, id sallyport.SessionID, fn func([]byte) error) error {
	indexes, err := g.store.Index().Leaves(ctx, id)
	if err != nil || len(indexes) == 0 {
		return err
	}
	// A leaf is read with the 256 around it, so reading on is cheaper than reading
	// each for itself unless the session's leaves lie far apart.
	first, last := indexes[0], indexes[len(indexes)-1]
	if (last-first)/256 > uint64(len(indexes)) {
		for _, i := range indexes {
			leaf, err := g.log.Read(ctx, i)
			if err != nil {
				return err
			}
			if err := fn(leaf); err != nil {
				return err
			}
		}
		return nil
	}
	err = g.log.Scan(ctx, first, func(i uint64, leaf []byte) error {
		if i > last {
			return errEnough
		}
		if _, ok := slices.BinarySearch(indexes, i); !ok {
			return nil
		}
		return fn(leaf)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// add takes in one leaf.
func (t *story) add(l evidence.Leaf[json.RawMessage]) error {
	switch l.Type {
	case evidence.TypeSessionOpen:
		b, err := evidence.Body[evidence.SessionOpen](l)
		t.open, t.at = &b, l.Time
		return err
	case evidence.TypeIntent:
		b, err := evidence.Body[evidence.Intent](l)
		if err != nil {
			return err
		}
		t.intent(l.Time, b)
	case evidence.TypeDenial:
		b, err := evidence.Body[evidence.Denial](l)
		if err != nil {
			return err
		}
		t.put(&statement{
			Stmt: b.Stmt, At: l.Time, Class: b.Class, Readable: b.Readable, Digest: b.Digest, Objects: b.Objects, Effects: b.Effects,
			Verdict: sallyport.Deny.String(), Rules: nonNil(b.Rules), Policy: b.Policy, Reason: b.Reason, Request: b.Request,
		})
	case evidence.TypeOutcome:
		b, err := evidence.Body[evidence.Outcome](l)
		if err != nil {
			return err
		}
		if s := t.byNumber[b.Stmt]; s != nil {
			s.Outcome = &b
		}
	case evidence.TypeMasking:
		b, err := evidence.Body[evidence.Masking](l)
		if err != nil {
			return err
		}
		if s := t.byNumber[b.Stmt]; s != nil {
			s.Masked = append(s.Masked, masked{
				Output: b.Output, Columns: b.Columns, Labels: b.Labels, Reason: b.Reason, Operator: b.Operator,
				Seen: b.Seen, Masked: b.Masked, Nulls: b.Nulls,
			})
		}
	case evidence.TypeRecording:
		b, err := evidence.Body[evidence.Recording](l)
		if err != nil {
			return err
		}
		t.chunks = append(t.chunks, b)
	case evidence.TypeSessionClose:
		b, err := evidence.Body[evidence.SessionClose](l)
		t.close = &b
		return err
	}
	return nil
}

// intent takes in an intent; what it leaves out is that of the latest earlier
// one of the same text.
func (t *story) intent(at time.Time, b evidence.Intent) {
	holder := b.Stmt
	if b.Of != 0 {
		holder = b.Of
	}
	own := text{b.Class, b.Readable, b.Objects, b.Effects, b.Masks}
	switch known, ok := t.texts[holder]; {
	case b.Readable != "" || !ok:
		t.texts[holder] = own
	default:
		own = known
		if b.Class != "" {
			own.class = b.Class
		}
	}
	s := &statement{
		Stmt: b.Stmt, At: at, Phase: b.Phase, Mode: b.Mode, Of: b.Of, Class: own.class, Readable: own.readable, Digest: b.Digest,
		Objects: own.objects, Effects: own.effects, Masks: own.masks, Verdict: b.Verdict, Rules: nonNil(b.Rules), Policy: b.Policy, Grant: b.Grant,
	}
	if ap := b.Approval; ap != nil {
		s.Approval = &approval{ap.Request, ap.Approver, ap.Rationale, ap.At}
	}
	t.put(s)
}

// put takes in a statement if it lies on the page.
func (t *story) put(s *statement) {
	switch {
	case t.page.has(s.Stmt):
		t.byNumber[s.Stmt] = s
		t.statements = append(t.statements, s)
	case s.Stmt > t.page.after:
		t.more = true
	}
}

// opening renders how the session was opened.
func (t *story) opening() *openDoc {
	o := t.open
	if o == nil {
		return nil
	}
	return &openDoc{
		At: t.at, Principal: o.Principal, Resource: o.Resource, Protocol: o.Protocol, Role: o.Role, Grant: o.Grant, Rules: nonNil(o.Rules),
		Policy: o.Policy, Client: o.Client, TLS: o.TLS, Upstream: o.Upstream, Lineage: o.Lineage, Notes: o.Notes,
	}
}

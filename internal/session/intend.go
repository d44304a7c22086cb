// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// Phase says what the target is about to do with a statement.
type Phase uint8

// The phases.
const (
	Execute Phase = iota // run it
	Analyse              // parse and resolve it only
)

func (p Phase) String() string {
	if p == Analyse {
		return "analyse"
	}
	return "execute"
}

// Intent asks for a permit to forward one admitted statement.
type Intent struct {
	Admission *Admission
	Phase     Phase
	Params    []byte // bound parameters as sent; sealed and fingerprinted
	// Of is the permit of the intent that holds the same text, or of an earlier
	// one of this call (by its Into); nil when this intent is to hold it.
	Of   *Permit
	Into *Permit // identifies the permit within a call; the caller stores it
}

// Permit says that the intent of one admitted statement is durable. Upstream
// writers demand one; the zero value is rejected.
type Permit struct {
	session *Session
	stmt    uint64
	since   time.Time
}

// Valid reports whether p was minted for s.
func (p Permit) Valid(s *Session) bool { return p.session != nil && p.session == s }

// Statement returns the statement's number in its session, from 1.
func (p Permit) Statement() uint64 { return p.stmt }

// Analysis returns an admission for having the target analyse a statement whose
// objects are not known yet. It is good for Phase Analyse only; the statement
// is admitted for execution with [Session.Admit] when its lineage is known.
func (s *Session) Analysis(c Command) *Admission {
	return &Admission{
		session: s, stmt: c.Statement, text: c.Text, digest: s.engine.deps.Vault.Fingerprint(c.Text),
		verdict: sallyport.Verdict{Outcome: sallyport.Allow, Rules: []sallyport.RuleID{"sallyport.analyse"}, Policy: s.engine.deps.Policy().Digest()},
	}
}

// The two forms of law 1, as records name them.
const (
	beforeForward = "before-forward"
	beforeRelease = "before-release"
)

// Intend makes the intents durable, in order and together, and returns their
// permits. On any error nothing may be forwarded.
func (s *Session) Intend(ctx context.Context, intents ...Intent) ([]Permit, error) {
	if err := s.stillAll(ctx, intents); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	permits, leaves, err := s.encode(ctx, beforeForward, intents)
	if err != nil {
		return nil, err
	}
	// The chain goes on from these leaves, so they are written even if the caller
	// goes away now.
	if _, err := s.engine.deps.Events.journal.Append(context.WithoutCancel(ctx), leaves...); err != nil {
		return nil, s.poisoned(err)
	}
	return permits, nil
}

// Permit admits a single statement, as [Session.Admit] does, and makes its intent
// durable, as [Session.Intend] does.
func (s *Session) Permit(ctx context.Context, c Command) (*Admission, Permit, error) {
	a, err := s.Admit(ctx, c)
	if err != nil {
		return nil, Permit{}, err
	}
	permits, err := s.Intend(ctx, Intent{Admission: a})
	if err != nil {
		return nil, Permit{}, err
	}
	return a, permits[0], nil
}

// Early reports whether the intents may be forwarded while they are made
// durable: the resource opted in, and every statement is proven read-only.
func (s *Session) Early(intents []Intent) bool {
	if !s.resource.BeforeRelease {
		return false
	}
	for _, in := range intents {
		if in.Phase == Execute && !readOnly(in.Admission.stmt) {
			return false
		}
	}
	return true
}

func readOnly(st *sallyport.Statement) bool {
	for _, e := range st.Effects {
		if e != sallyport.Read {
			return false
		}
	}
	return len(st.Effects) > 0
}

// IntendEarly is Intend for intents that [Session.Early] let through: the
// statements may be forwarded at once, and no byte of an answer may be released
// before the returned function has returned nil.
func (s *Session) IntendEarly(ctx context.Context, intents ...Intent) ([]Permit, func(context.Context) error, error) {
	if !s.Early(intents) {
		return nil, nil, sallyport.E(sallyport.Internal, "intend", "the statements may not be forwarded before their intents are durable")
	}
	if err := s.stillAll(ctx, intents); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	permits, leaves, err := s.encode(ctx, beforeRelease, intents)
	if err != nil {
		return nil, nil, err
	}
	for _, leaf := range leaves {
		if err := s.engine.deps.Events.journal.Post(leaf); err != nil {
			return nil, nil, s.poisoned(err)
		}
	}
	return permits, func(ctx context.Context) error { return s.poisoned(s.engine.deps.Events.journal.Sync(ctx)) }, nil
}

// encode makes the leaves of intents and links them into the session's chain.
// The caller holds s.mu. A failure ends the session, because the chain cannot go
// on without a leaf.
func (s *Session) encode(ctx context.Context, mode string, intents []Intent) ([]Permit, [][]byte, error) {
	if cause := context.Cause(s.ctx); cause != nil {
		return nil, nil, cause
	}
	if !s.begun || s.closed {
		return nil, nil, sallyport.E(sallyport.Internal, "intend", "the session is not open")
	}
	now := s.engine.deps.Now()
	permits := make([]Permit, len(intents))
	leaves := make([][]byte, len(intents))
	s.buf = s.buf[:0] // the ledger copies what it is given
	chain, stmts := s.chain, s.stmts
	for i, in := range intents {
		start := len(s.buf)
		if err := s.intent(ctx, in, mode, holder(intents[:i], permits, in.Of)); err != nil {
			s.chain, s.stmts = chain, stmts // none of them will be written
			return nil, nil, s.poisoned(err)
		}
		leaves[i] = s.buf[start:len(s.buf):len(s.buf)] // of this array, also when the next one outgrows it
		permits[i] = Permit{session: s, stmt: s.stmts, since: now}
	}
	return permits, leaves, nil
}

// holder returns the number of the statement whose intent holds the text: one of
// this call or of an earlier one.
func holder(before []Intent, permits []Permit, of *Permit) uint64 {
	if of == nil {
		return 0
	}
	for i := range before {
		if before[i].Into == of {
			return permits[i].stmt
		}
	}
	return of.stmt
}

// intent appends the leaf of one intent to s.buf. The caller holds s.mu.
func (s *Session) intent(ctx context.Context, in Intent, mode string, of uint64) error {
	a := in.Admission
	if a == nil || a.session != s || a.verdict.Outcome != sallyport.Allow || a.spent {
		return sallyport.E(sallyport.Internal, "intend", "the statement was not admitted")
	}
	if a.set == nil && in.Phase != Analyse {
		return sallyport.E(sallyport.Internal, "intend", "the statement was admitted for analysis only")
	}
	a.spent = a.approval != nil
	s.stmts++
	leaf := leafOf(s.engine.deps.Events, evidence.TypeIntent, evidence.Intent{
		Stmt: s.stmts, Phase: in.Phase.String(), Mode: mode, Of: of, Class: a.stmt.Class, Digest: a.digest,
		Verdict: a.verdict.Outcome.String(), Rules: a.verdict.Rules, Policy: a.verdict.Policy, Approval: a.approval,
	})
	b := &leaf.Body
	if s.grant != nil {
		b.Grant = s.grant.ID
	}
	// An analysis knew nothing of the objects yet, so the execution tells them
	// even where it refers to the analysis for the text.
	if of == 0 || a.told != of {
		b.Readable, b.Objects, b.Effects, b.Masks = cut(a.stmt.Readable), objects(a.stmt), effects(a.stmt), maskPlan(a)
		a.told = of
	}
	if of == 0 {
		sealed, err := s.seal(ctx, s.stmts, a.text)
		if err != nil {
			return err
		}
		b.Sealed = sealed
	}
	if len(in.Params) > 0 {
		b.Params = s.engine.deps.Vault.Fingerprint(in.Params)
		if b.Sealed == nil {
			sealed, err := s.seal(ctx, s.stmts, in.Params)
			if err != nil {
				return err
			}
			b.Sealed = sealed
		}
	}
	s.chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	start := len(s.buf)
	out, err := evidence.AppendIntent(s.buf, &leaf)
	if err != nil {
		return err
	}
	s.buf = out
	s.chain.Add(out[start:])
	return nil
}

// seal encrypts data under the session's text key. Small ciphertexts go into the
// leaf, larger ones into the blob store, durable before this returns.
func (s *Session) seal(ctx context.Context, stmt uint64, data []byte) (*evidence.Sealed, error) {
	if len(data) == 0 {
		return nil, nil
	}
	sealed, err := s.textKey.SealText(nil, s.id, stmt, data)
	if err != nil {
		return nil, err
	}
	if sealed.Len > inlineSealed {
		ct := sealed.Data
		sealed.Data = nil
		err = s.engine.deps.Blobs.Put(ctx, sealed.SHA256, ct)
	}
	return &sealed, err
}

// maxPlanBytes bounds the mask plan in a leaf, in bytes.
const maxPlanBytes = 8 << 10

// maskPlan renders an admission's masks with the names of the columns behind
// them. Very wide plans are cut to what a leaf can hold.
func maskPlan(a *Admission) []evidence.MaskPlan {
	var out []evidence.MaskPlan
	left := maxPlanBytes
	for _, m := range a.verdict.Masks {
		p := evidence.MaskPlan{Output: m.Output, Columns: SourceNames(a.stmt, m.Output), Labels: m.Labels, Reason: m.Reason, Scan: m.Scan}
		left -= 64 + len(p.Reason)
		for _, c := range p.Columns {
			left -= len(c) + 3
		}
		for _, l := range p.Labels {
			left -= len(l) + 3
		}
		if left < 0 {
			break
		}
		out = append(out, p)
	}
	return out
}

// SourceNames returns the names of the columns behind an output, at most 16.
func SourceNames(st *sallyport.Statement, output int) []string {
	if output < 0 || output >= len(st.Outputs) {
		return nil
	}
	var names []string
	for _, c := range st.Outputs[output].Sources {
		if len(names) == 16 {
			break
		}
		names = append(names, c.Object.Name())
	}
	return names
}

// Result is how a forwarded statement ended.
type Result struct {
	Status string // "ok", "error", "cancelled", "cut", "skipped" or "unknown"
	Code   string // the protocol's own code
	Tag    string
	Rows   uint64
	Bytes  uint64
	Masked []mask.Count
	// Disclosed says whose rows the answer was made of.
	Disclosed Disclosed
}

// Settle posts whose rows a permitted statement's answer was made of, its outcome
// and its masking events. It does not wait: they are durable with the next commit.
func (s *Session) Settle(p Permit, r Result) error {
	if err := s.rec.End(p.stmt); err != nil { // before the lock: the recording's sink takes it
		return s.unrecorded(err)
	}
	disclosures := s.disclosures(p.stmt, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.Valid(s) || s.closed {
		return sallyport.E(sallyport.Internal, "settle", "there is no such open statement")
	}
	for _, d := range disclosures { // first: an outcome without them says that there are none
		if err := postLeaf(s, evidence.TypeDisclosure, d); err != nil {
			return err
		}
	}
	leaf := leafOf(s.engine.deps.Events, evidence.TypeOutcome, evidence.Outcome{
		Stmt: p.stmt, Status: r.Status, Code: r.Code, Tag: r.Tag, Rows: r.Rows, Bytes: r.Bytes,
		Micros: s.engine.deps.Now().Sub(p.since).Microseconds(),
	})
	s.chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	out, err := evidence.AppendOutcome(s.buf[:0], &leaf)
	if err != nil {
		return err
	}
	s.buf = out
	s.chain.Add(out)
	if err := s.poisoned(s.engine.deps.Events.journal.Post(out)); err != nil {
		return err
	}
	for _, m := range r.Masked {
		if err := s.postMasking(p.stmt, m); err != nil {
			return err
		}
	}
	return nil
}

// Masked posts one masking event outside an outcome, such as a redacted
// diagnostic (Output -1).
func (s *Session) Masked(p Permit, m mask.Count) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return s.postMasking(p.stmt, m)
}

func (s *Session) postMasking(stmt uint64, m mask.Count) error {
	return postLeaf(s, evidence.TypeMasking, evidence.Masking{
		Stmt: stmt, Output: m.Output, Columns: m.Columns, Labels: m.Labels, Reason: m.Reason, Operator: m.Operator,
		Profile: m.Profile, Version: m.ProfileVersion, Seen: m.Seen, Masked: m.Masked, Nulls: m.Nulls, Fallback: m.Fallback,
		Broken: m.Undecodable, Entity: m.Entity, Rule: m.Rule, Locus: m.Locus, Hits: m.Hits,
		Detector: strings.TrimSpace(m.Detector + " " + m.DetectorVersion),
	})
}

// Record adds masked bytes to the session's recording. An error ends the
// session: what cannot be recorded must not be delivered.
func (s *Session) Record(p Permit, kind string, m mask.Masked) error {
	if err := s.rec.Write(p.stmt, kind, s.engine.deps.Now().Sub(s.opened), m); err != nil {
		return s.unrecorded(err)
	}
	return nil
}

func (s *Session) unrecorded(err error) error {
	s.cancel(sallyport.E(sallyport.Unavailable, "session", "the recording cannot be written, so nothing is delivered").
		WithHint("the operator must look at the gateway's disk").Because(err))
	return err
}

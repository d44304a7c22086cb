// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// prepare makes the session's key, the data keys below it and the recording. It
// does so when the session is about to be recorded as open, so that no key is
// left of a connection that came to nothing. The caller holds s.mu.
func (s *Session) prepare() (vault.Terms, error) {
	d := &s.engine.deps
	t := s.terms()
	key, err := d.Vault.NewSessionKey(t)
	if err != nil {
		return t, err
	}
	text, wrapped, err := key.NewDataKey(vault.PurposeText)
	if err != nil {
		return t, err
	}
	rec, wrappedRec, err := key.NewDataKey(vault.PurposeRecording)
	if err != nil {
		return t, err
	}
	s.textKey, s.keys = text, append(wrapped, wrappedRec...)
	s.rec = d.Recorder.Begin(s.id, rec, s.sinkChunk)
	return t, nil
}

// terms says how long the session's key is kept.
func (s *Session) terms() vault.Terms {
	r := s.resource.Retention
	if r == (sallyport.Retention{}) {
		r = sallyport.Retention{Class: sallyport.DefaultClass, Period: sallyport.DefaultPeriod()}
	}
	t := vault.Terms{
		Session: s.id, Principal: s.principal.ID, Resource: s.resource.ID, Class: r.Class,
		Opened: s.opened.UTC(), Expires: r.Period.After(s.opened),
	}
	if s.grant != nil {
		t.Grant = s.grant.ID
	}
	return t
}

// LegalHold records that a legal hold was set or released.
func (e *Events) LegalHold(ctx context.Context, b evidence.LegalHold) error {
	return write(ctx, e, evidence.TypeLegalHold, b)
}

// KeysDestroyed records, durably and together, that keys are destroyed.
func (e *Events) KeysDestroyed(ctx context.Context, list ...evidence.KeyDestroyed) error {
	leaves := make([][]byte, len(list))
	for i, b := range list {
		leaf, err := evidence.Marshal(leafOf(e, evidence.TypeKeyDestroyed, b))
		if err != nil {
			return err
		}
		leaves[i] = leaf
	}
	_, err := e.journal.Append(ctx, leaves...)
	return err
}

// LogPruned records that leaves are given up.
func (e *Events) LogPruned(ctx context.Context, b evidence.LogPruned) error {
	return write(ctx, e, evidence.TypeLogPruned, b)
}

// EvidenceOpen records that somebody opens exact texts.
func (e *Events) EvidenceOpen(ctx context.Context, b evidence.EvidenceOpen) error {
	return write(ctx, e, evidence.TypeEvidenceOpen, b)
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import "github.com/sallyport-dev/sallyport/evidence"

// The events of keeping the ledger itself.

func (d *draft) rollback(b *evidence.Rollback) {
	d.is(baseEvent, 99, "Rollback")
	d.severity = high
	d.status(false)
	put(d.set, "status_detail", b.Reason)
	d.say("The ledger %s takes the place of %s, of which %d leaves were left", d.origin, b.Origin, b.Size)
}

func (d *draft) legalHold(b *evidence.LegalHold) {
	activity := 1 // create
	if b.State == "released" {
		activity = 4 // delete
	}
	d.is(entityManagement, activity, "")
	d.entity("Legal hold", b.ID, "")
	d.by(b.By)
	put(d.set, "comment", b.Reason)
	d.severity = low
	d.status(true)
	d.say("%s: the legal hold %s is %s", b.By, b.ID, b.State)
}

func (d *draft) keyDestroyed(b *evidence.KeyDestroyed) {
	d.is(entityManagement, 4, "")
	d.entity("Session key", b.Key, "")
	if b.By != "" {
		d.by(b.By)
	}
	put(d.set, "comment", b.Reason)
	d.severity = low
	d.status(true)
	d.say("What the session %s sealed was erased: %s", b.OfSession, b.Rule)
}

func (d *draft) logPruned(b *evidence.LogPruned) {
	d.is(entityManagement, 4, "")
	d.entity("Ledger", d.origin, "")
	d.by(b.By)
	put(d.set, "comment", b.Reason)
	d.severity = medium
	d.status(true)
	d.say("%s pruned the ledger %s up to leaf %d", b.By, d.origin, b.Minimum)
}

func (d *draft) evidenceOpen(b *evidence.EvidenceOpen) {
	d.is(entityManagement, 2, "")
	d.entity("Exact texts", string(b.OfSession), "")
	d.by(b.By)
	put(d.set, "comment", b.Purpose)
	d.severity = medium
	d.status(true)
	d.say("%s opened exact texts of the session %s", b.By, b.OfSession)
}

func (d *draft) whoSaw(b *evidence.WhoSaw) {
	d.is(entityManagement, 2, "")
	d.entity("Statements of a patient", b.Namespace, "")
	d.by(b.By)
	put(d.set, "comment", b.Purpose)
	d.severity = low
	d.status(true)
	d.say("%s asked who saw a patient", b.By)
}

// disclosure leaves the blinded patients out: a receiver of events has no use for
// them, and whoever searches has the ledger.
func (d *draft) disclosure(b *evidence.Disclosure) {
	b.BlindSet = evidence.BlindSet{Patients: b.Patients}
	d.is(baseEvent, 99, "Disclosure")
	d.say("The answer of statement %d held rows of %d patients", b.Stmt, b.Patients)
}

func (d *draft) configLoaded(b *evidence.ConfigLoaded) {
	d.is(entityManagement, 3, "")
	d.entity("Configuration", b.Digest, "")
	d.status(true)
	d.say("The gateway %s runs with the configuration %s, part %d of %d", d.origin, b.Digest, b.Part, b.Parts)
}

func (d *draft) review(b *evidence.Review) {
	d.is(entityManagement, 2, "")
	d.entity("Review of "+b.Kind, or(string(b.Principal), b.Kind), "")
	d.by(b.By)
	put(d.set, "comment", b.Note)
	d.severity = low
	d.status(true)
	d.say("%s attested a review of %s", b.By, b.Kind)
}

// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

// event is a leaf whose body has been read, once for everybody who looks at it.
type event struct {
	index uint64
	raw   []byte // the exact bytes
	leaf  parsedLeaf
	body  any // a pointer to the type's body; nil for a type that is not known
}

// newBody returns an empty body of a type.
func newBody(t Type) any {
	switch t {
	case TypeIntent:
		return &Intent{}
	case TypeOutcome:
		return &Outcome{}
	case TypeMasking:
		return &Masking{}
	case TypeDenial:
		return &Denial{}
	case TypeRecording:
		return &Recording{}
	case TypeSessionOpen:
		return &SessionOpen{}
	case TypeSessionClose:
		return &SessionClose{}
	case TypeStart:
		return &Start{}
	case TypeStop:
		return &Stop{}
	case TypeHeartbeat:
		return &Heartbeat{}
	case TypeGap:
		return &Gap{}
	case TypePolicyLoaded:
		return &PolicyLoaded{}
	case TypeIdentity:
		return &Identity{}
	case TypeToken:
		return &Token{}
	case TypeRequest:
		return &Request{}
	case TypeDecision:
		return &Decision{}
	case TypeGrant:
		return &GrantEvent{}
	case TypeExport:
		return &Export{}
	case TypeReplay:
		return &Replay{}
	case TypeKeyRotate:
		return &KeyRotate{}
	case TypeRollback:
		return &Rollback{}
	case TypeDisclosure:
		return &Disclosure{}
	case TypeWhoSaw:
		return &WhoSaw{}
	case TypeLegalHold:
		return &LegalHold{}
	case TypeKeyDestroyed:
		return &KeyDestroyed{}
	case TypeEvidenceOpen:
		return &EvidenceOpen{}
	case TypeLogPruned:
		return &LogPruned{}
	case TypeShipping:
		return &Shipping{}
	case TypeConfigLoaded:
		return &ConfigLoaded{}
	case TypeReview:
		return &Review{}
	}
	return nil
}

// sealed returns the ciphertext that the event commits to, or nil.
func (e event) sealed() *Sealed {
	switch b := e.body.(type) {
	case *Intent:
		return b.Sealed
	case *Denial:
		return b.Sealed
	case *Recording:
		return &b.Sealed
	}
	return nil
}

// seal returns the seal that the event carries, or nil.
func (e event) seal() *Seal {
	switch b := e.body.(type) {
	case *Heartbeat:
		return b.Seal
	case *Stop:
		return b.Seal
	}
	return nil
}

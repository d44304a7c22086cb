// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubemask masks what the API of a Kubernetes cluster answers in JSON: objects,
// lists of them, tables and watches, object by object as they come.
//
// What holds an API together stays: kinds, names, namespaces, ids, versions and times
// of objects, references between them, and of Kubernetes' own types what is no text of
// anybody's, such as images, ports, resources and states. Where the API takes any text in
// such a place, it stays if it has the form of what belongs there. Everything else is
// masked by the scanner, or wholly. The values of Secrets, and of ConfigMaps that somebody
// labelled, are masked one by one, also where an annotation repeats them; a value that
// has to be base64 becomes the base64 of a text that says so.
package kubemask

import (
	"io"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// What stands for values that are masked whole, and the same in base64.
const (
	Sentinel        = "[SECRET]"
	EncodedSentinel = "W1NFQ1JFVF0="
)

// withheld stands for the words of an error that may repeat what an object holds.
const withheld = "[TEXT] (the cluster's words are withheld: they may repeat what the object holds)"

// Level is how much of something is shown.
type Level uint8

// The levels. The zero value shows nothing.
const (
	Whole Level = iota // only what holds the API together
	Scan               // all but what the scanner finds
	Raw                // everything
)

// Data is what of the objects is data by itself, beyond the texts in them.
type Data uint8

// The kinds of data.
const (
	NoData         Data = iota
	SecretData          // of Secrets
	ConfigMapData       // of ConfigMaps
	CredentialData      // of what issues and reviews tokens and certificates
)

// Plan says how an answer is masked.
type Plan struct {
	Base Level
	// Data is what is masked by DataLevel. Of a Secret and a credential nothing is
	// scanned: a password looks like nothing.
	Data      Data
	DataLevel Level
	// Builtin is true for types of Kubernetes' own.
	Builtin bool
	// Frames is true for a watch: one document after the other.
	Frames bool
	// Withheld is true for an error whose words may repeat what Data is about.
	Withheld bool
}

// Masks are the masks of one set of rules. They are safe for concurrent use.
type Masks struct {
	set     *rules.Set
	fields  []string
	base64  *operator.Operator
	plain   *operator.Operator
	words   *operator.Operator // of an error
	mu      sync.Mutex
	maskers map[Plan]*jsonmask.Masker // guarded by mu
}

// New makes the masks. fields are the names of the fields of Kubernetes' own types,
// which hold no data. Errors have Kind Invalid.
func New(set *rules.Set, now func() time.Time, fields ...string) (*Masks, error) {
	m := &Masks{set: set, fields: fields, maskers: map[Plan]*jsonmask.Masker{}}
	var err error
	if m.base64, err = operator.Compile(operator.Spec{Kind: operator.Const, Value: EncodedSentinel}, nil, now); err != nil {
		return nil, err
	}
	if m.plain, err = operator.Compile(operator.Spec{Kind: operator.Const, Value: Sentinel}, nil, now); err != nil {
		return nil, err
	}
	if m.words, err = operator.Compile(operator.Spec{Kind: operator.Const, Value: withheld}, nil, now); err != nil {
		return nil, err
	}
	// Whether the rules can be compiled does not depend on what is asked for.
	_, err = m.masker(Plan{Data: SecretData, Builtin: true})
	return m, err
}

// Body returns the mask of an answer. Errors have Kind Invalid.
func (m *Masks) Body(p Plan) (*mask.Body, error) {
	if p.Base == Raw && (p.Data == NoData || p.DataLevel == Raw) {
		return mask.ClearBody(), nil
	}
	j, err := m.masker(p)
	if err != nil {
		return nil, err
	}
	return mask.NewBody(func(w *text.Work, sink io.Writer) mask.PayloadWriter {
		return &writer{masker: j, work: w, sink: sink, frames: p.Frames}
	}), nil
}

// Writer returns a writer that hands the masked form of an answer to sink.
func (m *Masks) Writer(p Plan, w *text.Work, sink io.Writer) (mask.PayloadWriter, error) {
	j, err := m.masker(p)
	if err != nil {
		return nil, err
	}
	return &writer{masker: j, work: w, sink: sink, frames: p.Frames}, nil
}

// masker returns the masker of objects by a plan, which is made once.
func (m *Masks) masker(p Plan) (*jsonmask.Masker, error) {
	p.Frames = false // the same objects
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.maskers[p]; j != nil {
		return j, nil
	}
	j, err := jsonmask.Compile(m.set.Text(), m.rules(p))
	if err != nil {
		return nil, err
	}
	m.maskers[p] = j
	return j, nil
}
